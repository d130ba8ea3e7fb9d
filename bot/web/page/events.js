// Server-sent events over fetch: EventSource can only GET, and a poem is asked for by POST.

// Yield { event, data } for each event of a response's body, data parsed from JSON. `hear` is called
// for all that comes, also for what only keeps the connection open.
export async function* readEvents(body, hear = () => {}) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      hear();
      const blocks = (waiting + value).split("\n\n");
      waiting = blocks.pop();
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // an aborted stream has nothing left to cancel
  }
}

// Read one block; null for a comment, which only keeps the connection open.
function parse(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return fields.event ? { event: fields.event, data: JSON.parse(fields.data) } : null;
}
