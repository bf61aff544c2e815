/** A page that watches a Worker live through its own origin, comes again when it is cut off, and keeps what it saw. */
export const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>ada</title>
<p id="live"></p>
<script>
  const seen = [];
  let cursor = 'start', sockets = 0, text = '';
  const show = () => { document.getElementById('live').textContent = text; };
  const connect = () => {
    const socket = new WebSocket('ws://' + location.host + '/live', 'worker-runtime.v1');
    sockets += 1;
    socket.onopen = () => socket.send(JSON.stringify({ op: 'subscribe', worker: 'ada', after: cursor }));
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === 'events') {
        seen.push(...frame.items);
        cursor = frame.cursor;
      } else if (frame.type === 'in-flight') {
        text = frame.messages.flatMap(({ parts }) => parts.map((part) => part.text)).join('');
        show();
      } else if (frame.type === 'delta') {
        text = text.slice(0, frame.offset) + frame.text;
        show();
      }
    };
    socket.onclose = () => setTimeout(connect, 50);
  };
  connect();
</script>`;
