import { type Page, pageOf } from './page.ts';

const CONTENT = `<form>
<label>Code that the program shows: <input name="code" required autocomplete="off" autocapitalize="characters" spellcheck="false"></label>
<button>Continue</button>
</form>
<div hidden>
<p><strong></strong></p>
<p>Allow it only if you have started it yourself, and it shows this code. It may then do what you may do, for 30 days.</p>
<button value="yes">Allow</button>
<button value="no">Refuse</button>
</div>`;

/** Sends people who are not logged in to the login first, and shows them which program they allow. */
const SCRIPT = `
const form = document.querySelector('form');
const question = document.querySelector('div');
form.code.value = location.hash.slice(1);
fetch('v1/session').then(({ status }) => {
  if (status === 401) location.replace('login?return=' + encodeURIComponent(location.href));
});
const path = () => 'v1/device-logins/' + encodeURIComponent(form.code.value.trim());
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  say('');
  const program = await send('GET', path());
  if (program === null) return;
  document.querySelector('strong').textContent =
    form.code.value.toUpperCase() + ': ' + program.name + ', from ' + program.from + ' (' + program.permissions.join(', ') + ')';
  form.hidden = true;
  question.hidden = false;
});
for (const button of question.querySelectorAll('button'))
  button.addEventListener('click', async () => {
    const decided = await send('POST', path(), { allow: button.value === 'yes' });
    question.hidden = true;
    if (decided !== null) say(button.value === 'yes' ? 'Done. The program continues.' : 'Refused.');
  });
`;

/** Returns the page on which a person allows a program on another machine. */
export const devicePage = (): Page => pageOf('Allow a program', CONTENT, SCRIPT);
