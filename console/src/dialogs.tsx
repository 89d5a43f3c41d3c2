// The dialogs that every view has: the keys, and the way in.
import { useState } from "preact/hooks";
import { locked, send, session } from "./api";
import { Dialog } from "./ui";

const keys = [
  ["/", "search"],
  ["j  k", "next and previous row"],
  ["x", "select the row"],
  ["c", "compare what is selected"],
  ["Enter", "open the row"],
  ["←  →", "in a chart: the values before and after; Home and End: the first and the last"],
  ["?", "this list"],
] as const;

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}><dt>{key.split("  ").map((one) => <kbd key={one}>{one}</kbd>)}</dt><dd>{what}</dd></div>
        ))}
      </dl>
    </Dialog>
  );
}

/** Asks for a key. The service gives a cookie for it that scripts cannot read, so the key is not kept by the page. */
export function Login() {
  const [error, setError] = useState("");
  const enter = async (event: SubmitEvent) => {
    event.preventDefault();
    const key = new FormData(event.currentTarget as HTMLFormElement).get("key") as string;
    try {
      await send("POST", "api/session", { Authorization: `Bearer ${key.trim()}` });
      session.value = true;
      locked.value = null;
    } catch (refused) {
      setError((refused as Error).message);
    }
  };
  return (
    <Dialog title="Log in" onClose={() => {}}>
      <form class="login" onSubmit={enter}>
        <p>This service asks for a key. <code>foldbook key create NAME --scope read</code> makes one.</p>
        <label>
          <span>Key or token</span>
          <input name="key" type="password" required autoComplete="current-password" autoFocus />
        </label>
        {error && <p class="error" role="alert">{error}</p>}
        <button class="main">Log in</button>
      </form>
    </Dialog>
  );
}
