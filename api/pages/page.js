// Shows the description of the service. The token stays in this page's memory and is sent to this origin alone.
const field = document.getElementById("token");
const state = document.getElementById("state");
const root = new URL(".", location.href).pathname; // "/", or the path below which a proxy has the service

function withToken(request) {
  if (field.value) request.headers["Authorization"] = "Bearer " + field.value;
  return request;
}

// The servers of the description are paths from the root of the service, and a field that has an example is sent with it: only fields
// that have to be sent keep theirs.
function adapt(described) {
  const paths = Object.values(described.paths);
  for (const place of [described, ...paths]) {
    for (const server of place.servers ?? []) server.url = root + server.url.slice(1);
  }
  const parameters = paths.flatMap((path) => Object.values(path)).flatMap((operation) => operation.parameters ?? []);
  for (const parameter of [...parameters, ...Object.values(described.components.parameters)]) {
    if (!parameter.required) delete parameter.example;
  }
  return described;
}

async function show() {
  const answer = await fetch("openapi.json", withToken({ headers: {} }));
  if (!answer.ok) {
    const error = await answer.json().catch(() => ({ message: answer.status + " " + answer.statusText }));
    state.textContent = error.message;
    return;
  }
  state.textContent = "";
  SwaggerUIBundle({
    spec: adapt(await answer.json()),
    domNode: document.getElementById("reference"),
    requestInterceptor: withToken,
    deepLinking: true,
    docExpansion: "none", // drawing every operation and every schema takes a slow machine half a minute
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    validatorUrl: null,
    plugins: [() => ({ wrapComponents: { authorizeBtn: () => () => null, authorizeOperationBtn: () => () => null } })], // the field above
  });
}

document.getElementById("access").addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});
show();
