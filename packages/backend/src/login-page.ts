import { createHash } from 'node:crypto';

/**
 * Takes the code out of the fragment, which no log and no Referer has, exchanges it for a session, and goes to the page that
 * was wanted. A link may open in another tab than that page, so the browser keeps its address for all tabs, and tells them of
 * the login.
 */
const SCRIPT = `
const RETURN = 'worker-runtime.return';
const say = (text) => { document.querySelector('p').textContent = text; };
const proceed = () => {
  const kept = localStorage.getItem(RETURN) ?? './';
  localStorage.removeItem(RETURN);
  localStorage.setItem('worker-runtime.login', String(Date.now()));
  const target = URL.canParse(kept, location.href) ? new URL(kept, location.href) : null;
  location.replace(target?.origin === location.origin ? target : './');
};
const login = () => {
  const code = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
  if (code === '') return say('Open the link that the backend has printed, or run: worker-runtime link');
  fetch('v1/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
  }).then(async (answer) => {
    if (answer.ok) return proceed();
    const { detail } = await answer.json();
    say(detail);
  }, () => say('The backend does not answer'));
};
const wanted = new URLSearchParams(location.search).get('return');
if (wanted !== null) localStorage.setItem(RETURN, wanted);
// a link that is pasted here changes the fragment only
addEventListener('hashchange', login);
login();
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
