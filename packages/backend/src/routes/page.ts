import { hash } from 'node:crypto';

/**
 * The parts of every page of a login: the status line, and a request to the backend. The answer of a
 * request that failed is null, and its reason is on the page.
 */
const COMMON = `
const say = (text) => { document.querySelector('output').textContent = text; };
const send = async (method, path, body) => {
  try {
    const answer = await fetch(path, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
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

const policyOf = (script: string): string => {
  const digest = hash('sha256', script, 'base64');
  return `default-src 'none'; script-src 'sha256-${digest}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
};

/** Returns text as it is in HTML. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);

/** A page that runs its own script only, and the headers for it. */
export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Returns a page with a status line. The script may use `say` and `send`. */
export const pageOf = (title: string, content: string, script: string): Page => {
  const all = COMMON + script;
  return {
    html: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<h1>${title}</h1>
${content}
<p><output></output></p>
<script>${all}</script>
</html>
`,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policyOf(all),
      'referrer-policy': 'no-referrer',
    },
  };
};
