import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPage } from '@worker-runtime/test-environment/browser';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { standIn } from '../../companion/stand-in.ts';

const FOLDER = join(import.meta.dirname, '..');

/** Builds the page. */
export const buildPage = async (): Promise<void> => {
  const built = spawn('npm', ['run', '--silent', 'build'], { cwd: FOLDER, stdio: 'inherit' });
  const [code] = await once(built, 'exit');
  if (code !== 0) throw new Error('The page cannot be built');
};

/** The program of the example in a process of its own, with a model that pauses in mid sentence until the test continues. */
export class Scene {
  readonly #t: ExecutionContext;
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | null = null;
  url = '';

  private constructor(t: ExecutionContext, env: Readonly<Record<string, string>>) {
    this.#t = t;
    this.#env = env;
  }

  /** Starts the model and the server. The model says `One two three.`, but waits after `two`; it rolls a die if a message asks for one. */
  static async start(t: ExecutionContext): Promise<{ readonly scene: Scene; readonly goOn: () => void }> {
    let goOn = (): void => {};
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const model = await standIn(async function* ({ messages }) {
      const last = messages.at(-1);
      if (last?.role === 'tool') yield { content: `It is ${String(last.content)}.` };
      else if (String(last?.content).includes('roll'))
        yield {
          tool_calls: [{ index: 0, id: 'call_0', function: { name: 'roll_dice', arguments: '{"sides":1}' } }],
        };
      else {
        yield { content: 'One ' };
        yield { content: 'two ' };
        await gate;
        yield { content: 'three.' };
      }
    });
    t.teardown(model.close);
    const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-page-'));
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const scene = new Scene(t, { CHAT_DIR: folder, MODEL_URL: model.url });
    t.teardown(goOn);
    t.teardown(() => scene.kill());
    await scene.begin();
    return { scene, goOn };
  }

  /** Starts the server, on the port that it had. */
  async begin(): Promise<void> {
    const port = this.url === '' ? '0' : new URL(this.url).port;
    this.#child = spawn(
      process.execPath,
      ['--import=tsx', '--conditions=@worker-runtime/source', join(FOLDER, 'index.ts')],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...this.#env, PORT: port } },
    );
    const [line] = await once(this.#child.stdout as NodeJS.ReadableStream, 'data');
    this.url = String(line).trim();
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return null;
    const ended = once(child, 'exit');
    child.kill(signal);
    return (await ended)[0];
  }

  async tab(address = this.url): Promise<Tab> {
    const { page } = await openPage(this.#t, address);
    return new Tab(page);
  }
}

/** A tab as a person uses it. */
export class Tab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get address(): string {
    return this.page.url();
  }

  get chatId(): string {
    return new URL(this.address).searchParams.get('chat') ?? '';
  }

  async send(text: string): Promise<void> {
    await this.page.getByLabel('Message').fill(text);
    await this.press('Send');
  }

  async press(name: string): Promise<void> {
    await this.page.getByRole('button', { name, exact: true }).click();
  }

  /** Resolves when the messages are these, and the chat is in this state. */
  async shows(messages: readonly string[], status: 'ready' | 'streaming' | 'error'): Promise<void> {
    const wanted = JSON.stringify([status, ...messages]);
    const shown = `JSON.stringify([document.querySelector('main')?.dataset.status,
      ...[...document.querySelectorAll('article')].map((article) => article.innerText.replace(/\\s+/g, ' ').trim())])`;
    await this.page
      .waitForFunction(`${shown} === ${JSON.stringify(wanted)}`)
      .catch(async (error: unknown) => {
        throw new Error(`${String(await this.page.evaluate(shown))} instead of ${wanted}`, { cause: error });
      });
  }
}
