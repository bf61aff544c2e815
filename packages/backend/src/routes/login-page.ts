import { escaped, type Page, pageOf } from './page.ts';

/**
 * Takes the code of a link out of the fragment, which no log and no Referer has, or the answer of the provider out of the query,
 * and exchanges it for a session.
 */
const SCRIPT = `
const code = location.hash.slice(1);
const answer = location.search;
const query = new URLSearchParams(answer);
const wanted = query.get('return');
if (wanted !== null && URL.canParse(wanted, location.href))
  sessionStorage.setItem('return', new URL(wanted, location.href).href);
const provider = document.querySelector('button');
history.replaceState(null, '', location.pathname);
const login = async (body) => {
  say('One moment …');
  const session = await send('POST', 'v1/session', body);
  if (session === null) return;
  const target = new URL(sessionStorage.getItem('return') ?? location.href);
  sessionStorage.removeItem('return');
  if (target.origin === location.origin && target.href !== location.href) return location.replace(target);
  if (provider !== null) provider.hidden = true;
  say('You are logged in as ' + session.name + '.');
};
provider?.addEventListener('click', async () => {
  say('One moment …');
  const begun = await send('POST', 'v1/login', {});
  if (begun !== null) location.assign(begun.url);
});
if (code !== '') login({ code });
else if (query.has('state')) login({ answer });
else if (provider === null) say('Open the link that the backend has printed, or run: worker-runtime link');
`;

/** Returns the page of the login. `provider` is the name of the identity provider; null if there is none. */
export const loginPage = (provider: string | null): Page =>
  pageOf('Log in', provider === null ? '' : `<button>Log in with ${escaped(provider)}</button>`, SCRIPT);
