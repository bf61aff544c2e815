/**
 * An agent of the official SDK that does what its prompts say. Its first argument is the folder in which it keeps its
 * sessions and a record of its actions. The other arguments are traits:
 * - `no-load`: it cannot load sessions;
 * - `by-directory`: it finds a session only in the directory where it began, as Claude Code does;
 * - `no-resume`: it advertises that it resumes sessions, but can only load them;
 * - `late-replay`: it answers that a session is loaded before it replays it; `late-replay=60`: with pauses of 60 ms;
 * - `auth=a,b`: it requires a sign-in, for which it advertises these methods, and accepts each but `broken`;
 * - `offers={…}`: what it answers in addition when it opens a session; `silent`: but not when it reopens one;
 * - `mcp`: it supports tool servers over HTTP;
 * - `content=image,audio,embeddedContext`: the content that its prompts can have, besides text and links;
 * - `no-start`: it exits at its start; `mute`: it does not answer `initialize`; `signed-out`: it requires a sign-in.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import {
  type AgentContext,
  agent,
  type ContentBlock,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  type PromptResponse,
  RequestError,
  type SessionUpdate,
  type StopReason,
} from '@agentclientprotocol/sdk';

const [, , folder = '', ...traits] = process.argv;
const traitValue = (trait: string): string | undefined =>
  traits.find((one) => one.startsWith(`${trait}=`))?.slice(trait.length + 1);
const authMethods = traitValue('auth')
  ?.split(',')
  .map((id) => ({ id, name: id }));
const offers = JSON.parse(traitValue('offers') ?? '{}') as Record<
  string,
  { id: string; currentValue: unknown }[]
>;
let isSignedIn = authMethods === undefined;
const record = (line: string): void => appendFileSync(join(folder, 'record'), `${line}\n`);
const fileOf = (session: string): string => join(folder, `${session}.session`);
const directoryFileOf = (session: string): string => join(folder, `${session}.directory`);
const promptsOf = (session: string): readonly string[] =>
  existsSync(fileOf(session))
    ? readFileSync(fileOf(session), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as string)
    : [];

record(`start ${process.pid}`);
process.stderr.write('stderr-canary-4711 in /etc/canary\n');
if (traits.includes('no-start')) process.exit(3);

const cancels = new Map<string, () => void>();
/** Describes a block with bytes: `<image image/png aGk=>`. */
const blockText = (block: ContentBlock): string => {
  if (block.type === 'text') return block.text;
  if (block.type === 'image' || block.type === 'audio')
    return `<${block.type} ${block.mimeType} ${block.data}>`;
  if (block.type !== 'resource') return `<${block.type}>`;
  const { uri, mimeType } = block.resource;
  return `<${uri} ${mimeType} ${'text' in block.resource ? block.resource.text : block.resource.blob}>`;
};
const promptText = (prompt: readonly ContentBlock[]): string => prompt.map(blockText).join('\n---\n');

/** One prompt that the agent works on. */
class AgentPrompt {
  readonly #client: AgentContext;
  readonly #session: string;
  readonly #cancelled: Promise<'cancelled'>;

  constructor(client: AgentContext, session: string) {
    this.#client = client;
    this.#session = session;
    this.#cancelled = new Promise((resolve) => cancels.set(session, () => resolve('cancelled')));
  }

  send(update: SessionUpdate): Promise<void> {
    return this.#client.notify(methods.client.session.update, { sessionId: this.#session, update });
  }

  say(text: string): Promise<void> {
    return this.send({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
  }

  async answer(prompt: string): Promise<StopReason | PromptResponse> {
    const [word = '', ...rest] = (prompt.split('\n---\n').at(-1) ?? '').split(' ');
    const words = rest.join(' ');
    switch (word) {
      case 'long':
        await this.say('It takes a while.');
        return this.#cancelled;
      case 'deaf':
        process.on('SIGTERM', () => {});
        setInterval(() => {}, 1_000);
        await this.say('I do not listen.');
        return new Promise(() => {});
      case 'orphan': {
        // Ignores the end of its input and SIGTERM, and starts a process in another process group.
        process.on('SIGTERM', () => {});
        setInterval(() => {}, 1_000);
        const child = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
        record(`child ${child.pid}`);
        await this.say('I stay.');
        return new Promise(() => {});
      }
      case 'daemon': {
        // Starts a process in another process group that holds the output of the agent open.
        const child = spawn('sleep', ['1000'], { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
        record(`child ${child.pid}`);
        child.unref();
        return 'end_turn';
      }
      case 'recall':
        await this.say(`The first was: ${promptsOf(this.#session)[0]}`);
        return 'end_turn';
      case 'prompt':
        await this.say(`I was told: ${prompt}`);
        return 'end_turn';
      case 'think':
        await this.send({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'Hm.' } });
        await this.send({
          sessionUpdate: 'plan',
          entries: [
            { content: 'look', priority: 'high', status: 'completed' },
            { content: 'leap', priority: 'low', status: 'pending' },
          ],
        });
        await this.say('Done.');
        return 'end_turn';
      case 'tool':
        await this.say('Let me look.');
        await this.callTool(words, false);
        await this.say('Seen.');
        return 'end_turn';
      case 'ask':
        return this.callTool(words, true);
      // Sends the updates as they are, `after` milliseconds after the answer if they have such a member.
      case 'updates': {
        for (const { after, ...update } of JSON.parse(words) as (SessionUpdate & { after?: number })[]) {
          if (after === undefined) await this.send(update);
          else setTimeout(() => void this.send(update), after);
        }
        return 'end_turn';
      }
      case 'request': {
        const {
          first = [],
          then = [],
          ...request
        } = JSON.parse(words) as { first?: SessionUpdate[]; then?: SessionUpdate[] };
        for (const update of first) await this.send(update);
        try {
          const { outcome } = await this.#client.request<{ outcome: object }>(
            methods.client.session.requestPermission,
            { sessionId: this.#session, ...request },
          );
          record(`outcome ${JSON.stringify(outcome)}`);
        } catch (error) {
          record(`refused ${(error as Error).message}`);
        }
        for (const update of then) await this.send(update);
        return 'end_turn';
      }
      case 'answer':
        return JSON.parse(words) as PromptResponse;
      case 'exit-after':
        await this.say('Good bye.');
        setTimeout(() => process.exit(0), 20);
        return 'end_turn';
      case 'sign-in':
        throw RequestError.authRequired();
      case 'variable':
        await this.say(`${process.env[words]}`);
        return 'end_turn';
      case 'leave-open':
        await this.send({
          sessionUpdate: 'tool_call',
          toolCallId: 't0',
          title: 'open',
          status: 'in_progress',
        });
        return 'end_turn';
      case 'crash':
        await this.say('Oh no');
        await this.send({
          sessionUpdate: 'tool_call',
          toolCallId: 't0',
          title: 'explode',
          status: 'in_progress',
        });
        record('crash');
        setTimeout(() => process.exit(3), 20);
        return new Promise(() => {});
      case 'flood':
        void this.#flood();
        return this.#cancelled;
      case 'swamp':
        return this.#swamp(words);
      case 'huge':
        process.stdout.write(`"${'x'.repeat(Number(words))}`);
        return new Promise(() => {});
      case 'garbage':
        process.stdout.write(
          'Warning: this is no JSON\n[1,2]\n{"jsonrpc":"2.0","method":"session/update"}\n',
        );
        await this.say('Never mind.');
        return 'end_turn';
      case 'read':
      case 'write':
        await this.say(await this.#file(word, words));
        return 'end_turn';
      case 'bury':
        // Deeper than the longest path, so that the tree cannot be removed by its path.
        for (let depth = 0; depth < 20; depth += 1) {
          mkdirSync('d'.repeat(250));
          process.chdir('d'.repeat(250));
        }
        await this.say('Too deep.');
        return 'end_turn';
      case 'environment':
        await this.say(Object.keys(process.env).sort().join(' '));
        return 'end_turn';
      case 'reveal': {
        const secrets = `${process.env[words] ?? ''} in ${process.cwd()}/notes.txt`;
        for (let at = 0; at < secrets.length; at += 3) await this.say(secrets.slice(at, at + 3));
        await this.send({
          sessionUpdate: 'agent_thought_chunk',
          content: { type: 'text', text: process.cwd() },
        });
        await this.send({
          sessionUpdate: 'tool_call',
          toolCallId: 't0',
          title: `read ${secrets}`,
          status: 'completed',
          rawInput: { path: secrets },
          rawOutput: { path: secrets },
        });
        await this.#client.request(methods.client.session.requestPermission, {
          sessionId: this.#session,
          toolCall: { toolCallId: 't1', title: `Write ${secrets}` },
          options: [{ optionId: 'o1', name: `Allow ${secrets}`, kind: 'allow_once' }],
        });
        await this.say('Bye.');
        return 'end_turn';
      }
      case 'expose': {
        // Shows a secret as a value, as JSON, and as JSON in JSON.
        const header = process.env[words] ?? '';
        const failed = { sessionUpdate: 'tool_call', title: 'fail', status: 'failed' } as const;
        await this.send({ ...failed, toolCallId: 't1', rawInput: { header }, rawOutput: { header } });
        await this.send({
          ...failed,
          toolCallId: 't2',
          title: JSON.stringify({ header }),
          content: [{ type: 'content', content: { type: 'text', text: JSON.stringify([{ header }]) } }],
        });
        await this.say(JSON.stringify(JSON.stringify({ header })));
        await this.#client.request(methods.client.session.requestPermission, {
          sessionId: this.#session,
          toolCall: { toolCallId: 't3', title: 'run', rawInput: { header } },
          options: [{ optionId: 'o1', name: 'Allow', kind: 'allow_once' }],
        });
        return 'end_turn';
      }
      case 'child': {
        const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
        record(`child ${child.pid}`);
        await this.say('It sleeps.');
        return 'end_turn';
      }
      case 'stop':
        await this.say('Half ');
        return words as StopReason;
      case 'fail':
        throw RequestError.internalError(undefined, 'secret-canary in /etc/canary');
      default:
        await this.say('You said: ');
        await this.say(prompt);
        return 'end_turn';
    }
  }

  /** Announces a call first and its input later, as real agents do. */
  async callTool(name: string, asks: boolean): Promise<StopReason> {
    const toolCallId = 't0';
    await this.send({
      sessionUpdate: 'tool_call',
      toolCallId,
      title: name,
      kind: 'read',
      status: 'pending',
      rawInput: {},
    });
    const rawInput = { path: 'notes.txt' };
    if (asks) {
      const { outcome } = await this.#client.request(methods.client.session.requestPermission, {
        sessionId: this.#session,
        toolCall: { toolCallId, title: `Run ${name}`, rawInput },
        options: [
          { optionId: 'o1', name: 'Allow', kind: 'allow_once' },
          { optionId: 'o2', name: 'Always', kind: 'allow_always' },
          { optionId: 'o3', name: 'Reject', kind: 'reject_once' },
        ],
      });
      if (outcome.outcome === 'cancelled') return 'cancelled';
      if (outcome.optionId === 'o3') {
        await this.send({ sessionUpdate: 'tool_call_update', toolCallId, status: 'failed' });
        await this.say('Then not.');
        return 'end_turn';
      }
    }
    await this.send({ sessionUpdate: 'tool_call_update', toolCallId, status: 'in_progress', rawInput });
    record(`did ${name}`);
    if (name === 'hang') return this.#cancelled;
    const text = name === 'large' ? 'x'.repeat(200_000) : `done ${name}`;
    await this.send({
      sessionUpdate: 'tool_call_update',
      toolCallId,
      status: 'completed',
      content: [{ type: 'content', content: { type: 'text', text } }],
    });
    return 'end_turn';
  }

  async #flood(): Promise<void> {
    const text = 'x'.repeat(1_000);
    let isOver = false;
    void this.#cancelled.then(() => {
      isOver = true;
    });
    for (let count = 0; !isOver; count += 1) {
      await this.say(text);
      // Waits for more than a promise now and then, because the agent cannot read its own input otherwise.
      if (count % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Sends more than a client can hold, and takes no answer. `what` is `reads PATH`, `refused`, `asks` or `calls`. */
  async #swamp(what: string): Promise<StopReason> {
    const sessionId = this.#session;
    const [kind = '', path = ''] = what.split(' ');
    process.stdin.pause();
    const messageOf = (at: number): object => {
      const id = `swamp-${at}`;
      if (kind === 'reads') return { id, method: 'fs/read_text_file', params: { sessionId, path } };
      if (kind === 'refused') return { id, method: `no/such/${'x'.repeat(1_000)}`, params: {} };
      if (kind === 'asks') {
        const options = [{ optionId: 'a', name: 'A', kind: 'allow_once' }];
        const toolCall = { toolCallId: id, title: 'x'.repeat(1_000) };
        return { id, method: 'session/request_permission', params: { sessionId, toolCall, options } };
      }
      const rawInput = { blob: 'z'.repeat(20_000), at };
      const update = { sessionUpdate: 'tool_call', toolCallId: id, title: 'x', status: 'pending', rawInput };
      return { method: 'session/update', params: { sessionId, update } };
    };
    for (let at = 0; at < 3_000; at += 1)
      if (!process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...messageOf(at) })}\n`)) {
        record(`wrote ${at}`);
        await new Promise((resolve) => process.stdout.once('drain', resolve));
      }
    record('wrote all');
    setInterval(() => {}, 1_000);
    return new Promise(() => {});
  }

  async #file(kind: 'read' | 'write', words: string): Promise<string> {
    const sessionId = this.#session;
    const [path = '', content = ''] = words.split(' ');
    try {
      if (kind === 'write') {
        await this.#client.request(methods.client.fs.writeTextFile, { sessionId, path, content });
        return 'written';
      }
      return (await this.#client.request(methods.client.fs.readTextFile, { sessionId, path })).content;
    } catch (error) {
      return `refused: ${(error as RequestError).code} ${(error as Error).message}`;
    }
  }
}

const connection = agent({ name: 'fake' })
  .onRequest(methods.agent.initialize, async ({ params }) => {
    if (traits.includes('mute')) await new Promise(() => {});
    record(`capabilities ${JSON.stringify(params.clientCapabilities)}`);
    return {
      protocolVersion: PROTOCOL_VERSION,
      ...(authMethods && { authMethods }),
      agentCapabilities: {
        loadSession: !traits.includes('no-load'),
        ...(traits.includes('no-resume') && { sessionCapabilities: { resume: {} } }),
        promptCapabilities: Object.fromEntries(
          (traitValue('content')?.split(',') ?? []).map((kind) => [kind, true]),
        ),
        ...(traits.includes('mcp') && { mcpCapabilities: { http: true } }),
      },
    };
  })
  .onRequest(methods.agent.authenticate, ({ params }) => {
    record(`authenticate ${params.methodId}`);
    if (params.methodId === 'broken') throw RequestError.internalError();
    if (params.methodId === 'browser') return new Promise<never>(() => {});
    isSignedIn = true;
    return {};
  })
  .onRequest(methods.agent.session.setMode, ({ params }) => {
    record(`mode ${params.modeId}`);
    return {};
  })
  .onRequest(
    'session/set_model',
    (params) => params as { modelId: string },
    ({ params }) => {
      record(`model ${params.modelId}`);
      return {};
    },
  )
  .onRequest(methods.agent.session.setConfigOption, ({ params: { configId, value } }) => {
    record(`option ${configId} ${JSON.stringify(value)}`);
    for (const option of offers.configOptions ?? []) if (option.id === configId) option.currentValue = value;
    return { configOptions: (offers.configOptions ?? []) as never };
  })
  .onRequest(methods.agent.session.new, ({ params }) => {
    if (traits.includes('signed-out') || !isSignedIn) throw RequestError.authRequired();
    if (params.mcpServers.length > 0) record(`servers ${JSON.stringify(params.mcpServers)}`);
    const sessionId = `ses_${process.pid}_${Date.now()}`;
    if (traits.includes('by-directory')) writeFileSync(directoryFileOf(sessionId), params.cwd);
    record(`new ${params.cwd}`);
    return { sessionId, ...offers };
  })
  .onRequest(methods.agent.session.load, async ({ params: { sessionId, cwd }, client }) => {
    if (!existsSync(fileOf(sessionId))) throw RequestError.resourceNotFound(sessionId);
    if (traits.includes('by-directory') && readFileSync(directoryFileOf(sessionId), 'utf8') !== cwd)
      throw RequestError.resourceNotFound(sessionId);
    if (!isSignedIn) throw RequestError.authRequired();
    record('load');
    const replay = async (pauseMs: number | null): Promise<void> => {
      for (const text of promptsOf(sessionId))
        for (const sessionUpdate of ['user_message_chunk', 'agent_message_chunk'] as const) {
          if (pauseMs !== null) await new Promise((resolve) => setTimeout(resolve, pauseMs));
          await client.notify(methods.client.session.update, {
            sessionId,
            update: { sessionUpdate, content: { type: 'text', text } },
          });
        }
    };
    const pause = traits.includes('late-replay') ? '0' : traitValue('late-replay');
    if (pause === undefined) await replay(null);
    else void replay(Number(pause));
    return traits.includes('silent') ? {} : offers;
  })
  .onRequest(methods.agent.session.prompt, async ({ params: { sessionId, prompt }, client }) => {
    const text = promptText(prompt);
    appendFileSync(fileOf(sessionId), `${JSON.stringify(text)}\n`);
    const answer = await new AgentPrompt(client, sessionId).answer(text);
    return typeof answer === 'string' ? { stopReason: answer } : answer;
  })
  .onNotification(methods.agent.session.cancel, ({ params: { sessionId } }) => cancels.get(sessionId)?.())
  .connect(
    ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>),
  );
void connection.closed.then(() => record('left'));
