/** The lines of a body, while they arrive. A body that is cut off throws; whoever stops reading ends the request. */
export async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const complete = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = complete.pop() ?? "";
      for (const line of complete) if (line) yield line;
      if (done) break;
    }
    if (rest) throw new TypeError("the answer ends within a line: it was cut off");
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
