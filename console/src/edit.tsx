// What a person changes of a run: its name, tags and notes; and its end.
import { useState } from "preact/hooks";
import { address, type Answer, send } from "./api";
import { link } from "./route";
import { nameOf } from "./runs";
import { Dialog } from "./ui";

type Run = Answer<"/api/runs/{run_id}">;

export function Edit({ run, again }: { run: Run; again: () => void }) {
  const [open, setOpen] = useState(false);
  const [error, setError] = useState("");
  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => (form.get(name) as string).trim();
    const all = { name: text("name"), tags: text("tags").split(",").map((tag) => tag.trim()).filter(Boolean), notes: text("notes") };
    const was = { name: run.name ?? "", tags: run.tags ?? [], notes: run.notes ?? "" };
    // Only what was edited: what others changed meanwhile stays.
    const body = Object.fromEntries(Object.entries(all).filter(([name, value]) => String(value) !== String(was[name as keyof typeof was])));
    try {
      if (Object.keys(body).length > 0) await send("PATCH", address("/api/runs/{run_id}", { path: { run_id: run.run_id } }), { "If-Match": "*" }, body);
      setOpen(false);
      again();
    } catch (refused) {
      setError((refused as Error).message);
    }
  };
  return (
    <>
      <button onClick={() => { setError(""); setOpen(true); }}>Edit</button>
      {open && (
        <Dialog title={`Edit ${nameOf(run)}`} onClose={() => setOpen(false)}>
          <form class="login" onSubmit={save}>
            <label><span>Name</span><input name="name" defaultValue={run.name ?? ""} autoFocus autoComplete="off" /></label>
            <label><span>Tags, separated by commas</span><input name="tags" defaultValue={(run.tags ?? []).join(", ")} autoComplete="off" /></label>
            <label><span>Notes</span><textarea name="notes" rows={8} defaultValue={run.notes ?? ""} /></label>
            {error && <p class="error" role="alert">{error}</p>}
            <button class="main">Save</button>
          </form>
        </Dialog>
      )}
    </>
  );
}

export function Delete({ run }: { run: Run }) {
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const [error, setError] = useState("");
  const name = nameOf(run);
  const remove = async (event: SubmitEvent) => {
    event.preventDefault();
    if (typed !== name) return;
    try {
      await send("DELETE", address("/api/runs/{run_id}", { path: { run_id: run.run_id }, query: { cascade: true } }));
      location.hash = link(["runs"]);
    } catch (refused) {
      setError((refused as Error).message);
    }
  };
  return (
    <>
      <button class="danger" onClick={() => { setError(""); setTyped(""); setOpen(true); }}>Delete…</button>
      {open && (
        <Dialog title="Delete the run" onClose={() => setOpen(false)}>
          <form class="login" onSubmit={remove}>
            <p>The run, its {run.folds.length.toLocaleString("en")} folds, its predictions and its simulations are deleted. That cannot be undone.</p>
            <label>
              <span>Type <b>{name}</b> to go on</span>
              <input name="typed" autoFocus autoComplete="off" onInput={(event) => setTyped(event.currentTarget.value)} />
            </label>
            {error && <p class="error" role="alert">{error}</p>}
            <button class="danger" disabled={typed !== name}>Delete</button>
          </form>
        </Dialog>
      )}
    </>
  );
}
