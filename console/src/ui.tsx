// Small parts that several screens are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { FoldbookError } from "../../clients/typescript/src/errors";
import type { Loaded } from "./api";
import { member } from "./format";

/** What is shown while there is nothing to show, or in place of what could not be read. */
export function Notice({ of, children }: { of: Loaded<unknown>; children?: ComponentChildren }) {
  if (of.error) return <Failure error={of.error} again={of.again} />;
  if (of.data === undefined && of.loading) return <p class="notice quiet">Reading…</p>;
  return children ? <p class="notice">{children}</p> : null;
}

export function Failure({ error, again }: { error: FoldbookError; again?: () => void }) {
  const away = error.code === "questdb_unavailable" || error.code === "database_unavailable";
  const store = error.code === "questdb_unavailable" ? "QuestDB, which has the rows," : "PostgreSQL, which has the records,";
  return (
    <div class="notice failure" role="alert">
      <p>
        <b>{away ? `${store} is away.` : error.status === 404 ? "Not found." : "This could not be read."}</b> {error.message}
      </p>
      <p class="quiet">
        {error.status > 0 && error.code}
        {error.requestId && ` · request ${error.requestId}`} {again && <button onClick={again}>Try again</button>}
      </p>
    </div>
  );
}

export function Badge({ status }: { status: string }) {
  return <span class={`badge ${status.toLowerCase()}`}>{status.toLowerCase()}</span>;
}

/** A number with its name. */
export function Figure({ name, title, children }: { name: string; title?: string; children: ComponentChildren }) {
  return (
    <div class="figure" title={title}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The members of a JSON column, one below the other. */
export function Members({ of }: { of: unknown }) {
  const members = of && typeof of === "object" ? Object.entries(of) : [];
  if (members.length === 0) return <p class="quiet">nothing</p>;
  return (
    <dl class="members">
      {members.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd title={typeof value === "number" ? String(value) : undefined}>{member(name, value)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Bars above and below a line: the sums of the folds. */
export function Spark({ values, title }: { values: readonly number[]; title: string }) {
  const width = 96;
  const height = 24;
  const largest = Math.max(...values.map(Math.abs), 1e-12);
  const step = Math.min(width / Math.max(values.length, 1), 15);
  const middle = values.some((v) => v < 0) ? (values.some((v) => v > 0) ? height / 2 : 0.5) : height - 0.5;
  const room = Math.max(middle, height - middle) - 0.5;
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={title}>
      <title>{title}</title>
      <line x1="0" x2={width} y1={middle} y2={middle} />
      {values.map((value, i) => {
        const size = (Math.abs(value) / largest) * room;
        return (
          <rect key={i} class={value < 0 ? "loss" : "gain"} x={i * step} width={Math.max(step - (step > 3 ? 1 : 0), 0.5)}
            y={value < 0 ? middle : middle - size} height={Math.max(size, 0.5)} />
        );
      })}
    </svg>
  );
}

/** A dialog above the page; Escape and a click beside it close it. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    ref.current?.showModal();
    return () => before?.focus();
  }, []);
  return (
    <dialog ref={ref} aria-label={title} onClose={onClose} onClick={(event) => event.target === ref.current && onClose()}>
      <div class="inner">
        <header>
          <h2>{title}</h2>
          <button class="plain" aria-label="Close" onClick={onClose}>
            ✕
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** A button that copies a text and says so. */
export function Copy({ text, children = "Copy" }: { text: string; children?: ComponentChildren }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button class="small" onClick={copy}>
      {done ? "Copied" : children}
    </button>
  );
}
