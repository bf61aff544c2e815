import { escaped, type Page, pageOf } from './page.ts';

/**
 * Takes the code of a link out of the fragment, which no log and no Referer has, or the answer of the provider out of the query,
 * exchanges it for a session, and goes to the page that was wanted. A link may open in another tab than that page, so the
 * browser keeps its address for all tabs, and tells them of the login. A browser that stores nothing, or has no room, logs in too.
 */
const SCRIPT = `
const RETURN = 'worker-runtime.return';
const answer = location.search;
const query = new URLSearchParams(answer);
const stored = (use) => {
  try {
    return use(localStorage);
  } catch {
    return null;
  }
};
const wanted = query.get('return');
if (wanted !== null && URL.canParse(wanted, location.href))
  stored((storage) => storage.setItem(RETURN, new URL(wanted, location.href).href));
const provider = document.querySelector('button');
const login = async (body) => {
  say('One moment …');
  const session = await send('POST', 'v1/session', body);
  if (session === null) return;
  const target = new URL(stored((storage) => storage.getItem(RETURN)) ?? './', location.href);
  stored((storage) => {
    storage.removeItem(RETURN);
    storage.setItem('worker-runtime.login', String(Date.now()));
  });
  location.replace(target.origin === location.origin ? target : './');
};
const begin = () => {
  const code = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
  if (code !== '') login({ code });
  else if (query.has('state')) login({ answer });
  else if (provider === null) say('Open the link that the backend has printed, or run: worker-runtime link');
};
provider?.addEventListener('click', async () => {
  say('One moment …');
  const begun = await send('POST', 'v1/login', {});
  if (begun !== null) location.assign(begun.url);
});
// a link that is pasted here changes the fragment only
addEventListener('hashchange', begin);
begin();
`;

/** Returns the page of the login. `provider` is the name of the identity provider; null if there is none. */
export const loginPage = (provider: string | null): Page =>
  pageOf('Log in', provider === null ? '' : `<button>Log in with ${escaped(provider)}</button>`, SCRIPT);
