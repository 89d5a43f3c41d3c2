// Notes on a run and its folds, and the files that are kept with it.
import { useState } from "preact/hooks";
import { FoldbookError } from "../../clients/typescript/src/errors";
import { address, type Answer, type Loaded, request, send, useGet } from "./api";
import { minute, write } from "./format";
import { changed } from "./route";
import { Dialog, Notice } from "./ui";

type Note = Answer<"/api/runs/{run_id}/annotations">[number];
type Notes = Loaded<Note[]>;

/** The notes on a fold, or else all of the run. Their Markdown is shown as it was written. */
export function NoteList({ run, notes, fold = null }: { run: string; notes: Notes; fold?: number | null }) {
  const [editing, edit] = useState<Note | "new" | null>(null);
  const there = (notes.data ?? []).filter((note) => fold === null || note.fold_number === fold);
  const close = () => edit(null);
  return (
    <>
      {there.map((note) => (
        <div class="card note" key={note.annotation_id}>
          <p>{note.body}</p>
          <small>
            {fold === null && note.fold_number !== null && <a href={changed({ fold: note.fold_number })}>fold {note.fold_number}</a>}
            <span>{note.author ?? "nobody named"}, {minute(note.created_at)} UTC{note.version > 1 && `, changed ${minute(note.updated_at)}`}</span>
            <button class="small" onClick={() => edit(note)}>Edit</button>
          </small>
        </div>
      ))}
      {notes.error && <Notice of={notes} />}
      <p><button class="small" onClick={() => edit("new")}>Add a note</button></p>
      {editing === "new" && <NoteDialog run={run} fold={fold} again={notes.again} onClose={close} />}
      {editing && editing !== "new" && <NoteDialog run={run} fold={editing.fold_number} note={editing} again={notes.again} onClose={close} />}
    </>
  );
}

function NoteDialog({ run, fold, note, again, onClose }: { run: string; fold: number | null; note?: Note; again: () => void; onClose: () => void }) {
  const [error, setError] = useState("");
  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => (form.get(name) as string).trim();
    const remove = (event.submitter as HTMLButtonElement | null)?.value === "delete";
    try {
      if (note) await send(remove ? "DELETE" : "PATCH", noteAt(note), { "If-Match": await tagOf(note) }, remove ? undefined : { body: text("body") });
      else {
        localStorage.setItem("foldbook-author", text("author"));
        const all = { body: text("body"), ...(fold === null ? {} : { fold_number: fold }), ...(text("author") ? { author: text("author") } : {}) };
        await send("POST", address("/api/runs/{run_id}/annotations", { path: { run_id: run } }), {}, all);
      }
      onClose();
      again();
    } catch (refused) {
      setError((refused as Error).message);
    }
  };
  const title = `${note ? "Edit the note on" : "Add a note on"} ${fold === null ? "the run" : `fold ${fold}`}`;
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="login" onSubmit={save}>
        <label><span>Note, in Markdown</span><textarea name="body" rows={8} required autoFocus defaultValue={note?.body ?? ""} /></label>
        {!note && <label><span>By</span><input name="author" defaultValue={localStorage.getItem("foldbook-author") ?? ""} autoComplete="name" /></label>}
        {error && <p class="error" role="alert">{error}</p>}
        <p class="choice">
          <button class="main" value="save">Save</button>
          {note && <button class="danger" value="delete">Delete</button>}
        </p>
      </form>
    </Dialog>
  );
}

const noteAt = (note: Note): string => address("/api/annotations/{annotation_id}", { path: { annotation_id: note.annotation_id } });

/** The tag of a note as it is shown here: one that somebody has changed meanwhile is neither overwritten nor deleted. */
async function tagOf(note: Note): Promise<string> {
  const response = await request("GET", noteAt(note));
  if (((await response.json()) as Note).version !== note.version)
    throw new FoldbookError(412, "precondition_failed", "Somebody has changed the note meanwhile: close this to see it.", null);
  return response.headers.get("ETag") ?? "";
}

export function Artifacts({ run }: { run: string }) {
  const list = useGet("/api/runs/{run_id}/artifacts", { path: { run_id: run } });
  if (!list.data?.length) return list.error ? <section><h2>Artifacts</h2><Notice of={list} /></section> : null;
  return (
    <section>
      <h2>Artifacts</h2>
      <div class="scroll values" tabIndex={0} role="region" aria-label="Artifacts of the run">
        <table>
          <thead><tr><th>File</th><th>Kind</th><th class="number">Bytes</th><th>Stored (UTC)</th></tr></thead>
          <tbody>
            {list.data.map((one) => (
              <tr key={one.name}>
                <th scope="row"><a href={address("/api/runs/{run_id}/artifacts/{name}", { path: { run_id: run, name: one.name } })} download={one.name}>{one.name}</a></th>
                <td class="quiet">{one.media_type}</td><td class="number">{write(one.size)}</td>
                <td class="quiet" title={one.sha256}>{minute(one.created_at)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
