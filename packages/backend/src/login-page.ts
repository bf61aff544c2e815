import { createHash } from 'node:crypto';

/** Takes the code out of the fragment, which no log and no Referer has, and exchanges it for a session. */
const SCRIPT = `
const code = location.hash.slice(1);
history.replaceState(null, '', location.pathname);
const say = (text) => { document.querySelector('p').textContent = text; };
if (code === '') say('Open the link that the backend has printed, or run: worker-runtime link');
else fetch('v1/session', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ code }),
}).then(async (answer) => {
  if (answer.ok) return say('You are logged in.');
  const { detail } = await answer.json();
  say(detail);
}, () => say('The backend does not answer'));
`;

const scriptDigest = createHash('sha256').update(SCRIPT).digest('base64');

export const LOGIN_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Log in</title>
<p>One moment …</p>
<script>${SCRIPT}</script>
</html>
`;

export const LOGIN_POLICY = `default-src 'none'; script-src 'sha256-${scriptDigest}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
