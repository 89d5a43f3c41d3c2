// The frame of the page: what is above each view, the keys, and which view is shown.
import { render } from "preact";
import { signal } from "@preact/signals";
import { locked, logOut, session, useGet } from "./api";
import { Compare } from "./compare";
import { CopyAs } from "./copyas";
import { DatasetPage, Datasets } from "./datasets";
import { Help, Login } from "./dialogs";
import { Health } from "./health";
import { Leaderboard } from "./leaderboard";
import { followEvents, live } from "./live";
import { link, route } from "./route";
import { RunPage } from "./run";
import { Runs, select, selection } from "./runs";

const help = signal(false);
const copying = signal(false);
const screens = [["runs", "Runs"], ["leaderboard", "Leaderboard"], ["datasets", "Datasets"], ["health", "Health"]] as const;

function Page() {
  const [screen = "runs"] = route.value.parts;
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.querySelector<HTMLElement>("#content")?.focus(); }}>
        To the content
      </a>
      <header class="top">
        <a class="mark" href={link(["runs"])}>
          <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true"><path d="M2 4l8 3v11l-8-3zM18 4l-8 3v11l8-3z" /></svg>
          foldbook
        </a>
        <nav aria-label="Screens">
          {screens.map(([name, title]) => <a key={name} href={link([name])} aria-current={screen === name ? "page" : undefined}>{title}</a>)}
        </nav>
        <span class="end">
          <Stores />
          <Live />
          <button class="small" onClick={() => (copying.value = true)}>Copy as…</button>
          {session.value && <button class="small" onClick={logOut}>Log out</button>}
          <a href="docs">API</a>
          <button class="plain" aria-label="Keys" title="Keys (?)" onClick={() => (help.value = true)}>?</button>
        </span>
      </header>
      <div id="content" tabIndex={-1}>
        <Screen />
      </div>
      {locked.value !== null && <Login />}
      {copying.value && <CopyAs onClose={() => (copying.value = false)} />}
      {help.value && <Help onClose={() => (help.value = false)} />}
    </>
  );
}

function Screen() {
  const [screen = "runs", id] = route.value.parts;
  if (screen === "runs") return id ? <RunPage key={id} id={id} /> : <Runs />;
  if (screen === "datasets") return id ? <DatasetPage key={id} id={id} /> : <Datasets />;
  if (screen === "compare") return <Compare />;
  if (screen === "leaderboard") return <Leaderboard />;
  if (screen === "health") return <Health />;
  return <main><p class="notice">There is no such view. <a href={link(["runs"])}>To the runs</a></p></main>;
}

/** How both stores are. */
function Stores() {
  const health = useGet("/api/health");
  const state = health.error ? "unknown" : (health.data?.status ?? "");
  return <span class={`stores ${state}`} title={health.data ? `PostgreSQL ${health.data.postgres}, QuestDB ${health.data.questdb}` : "asking"}>{state}</span>;
}

/** Whether changes appear by themselves. */
function Live() {
  const away = live.value === "away";
  return <span class={`stores ${away ? "unhealthy" : live.value}`} title={away ? "The stream of changes is away: what is shown may be old" : "What changes appears by itself"}>{live.value}</span>;
}

addEventListener("keydown", (event) => {
  const at = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || at.closest("input:not([type=checkbox]),select,textarea,dialog[open]")) return;
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const now = rows.findIndex((row) => row.contains(at));
  const keys: Record<string, () => void> = {
    "/": () => document.querySelector<HTMLElement>("#search")?.focus(),
    j: () => rows[Math.min(now + 1, rows.length - 1)]?.focus(),
    k: () => rows[Math.max(now - 1, 0)]?.focus(),
    c: () => selection().length > 0 && (location.hash = link(["compare"], { runs: selection().join(",") })),
    x: () => now >= 0 && select(rows[now]!.dataset.row!),
    Enter: () => rows[now] === at && at.querySelector<HTMLElement>("a")?.click(),
    "?": () => (help.value = true),
  };
  const act = keys[event.key];
  if (!act || (event.key === "Enter" && rows[now] !== at)) return;
  event.preventDefault();
  act();
});

followEvents();
render(<Page />, document.getElementById("page")!);
