import { createHash } from 'node:crypto';

/**
 * The parts of every page of a login: the status line, and a request to the backend. A page gets the address to which the person
 * wanted to go in `?return=`, and keeps it while the person is at the identity provider.
 */
const COMMON = `
const say = (text) => { document.querySelector('output').textContent = text; };
const send = async (path, body) => {
  try {
    const answer = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const content = await answer.json();
    if (answer.ok) return content;
    say(content.detail);
  } catch {
    say('The backend does not answer');
  }
  return null;
};
`;

/**
 * Takes the code of a link out of the fragment, which no log and no Referer has, or the answer of the provider out of the query,
 * and exchanges it for a session.
 */
const SCRIPT = `${COMMON}
const code = location.hash.slice(1);
const query = new URLSearchParams(location.search);
const wanted = query.get('return');
if (wanted !== null && URL.canParse(wanted, location.href))
  sessionStorage.setItem('return', new URL(wanted, location.href).href);
const provider = document.querySelector('button');
history.replaceState(null, '', location.pathname);
const login = async (body) => {
  say('One moment …');
  const session = await send('v1/session', body);
  if (session === null) return;
  const target = new URL(sessionStorage.getItem('return') ?? location.href);
  sessionStorage.removeItem('return');
  if (target.origin === location.origin && target.href !== location.href) return location.replace(target);
  if (provider !== null) provider.hidden = true;
  say('You are logged in as ' + session.name + '.');
};
provider?.addEventListener('click', async () => {
  say('One moment …');
  const begun = await send('v1/login', {});
  if (begun !== null) location.assign(begun.url);
});
if (code !== '') login({ code });
else if (query.has('state')) login({ answer: location.search });
else if (provider === null) say('Open the link that the backend has printed, or run: worker-runtime link');
`;

const policyOf = (script: string): string => {
  const digest = createHash('sha256').update(script).digest('base64');
  return `default-src 'none'; script-src 'sha256-${digest}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
};

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);

/** A page that runs its own script only, and the headers for it. */
export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

const pageOf = (title: string, content: string, script: string): Page => ({
  html: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<h1>${title}</h1>
${content}
<p><output></output></p>
<script>${script}</script>
</html>
`,
  headers: {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policyOf(script),
    'referrer-policy': 'no-referrer',
  },
});

/** Returns the page of the login. `provider` is the name of the identity provider; null if there is none. */
export const loginPage = (provider: string | null): Page =>
  pageOf('Log in', provider === null ? '' : `<button>Log in with ${escaped(provider)}</button>`, SCRIPT);
