import { randomUUID } from 'node:crypto';
import {
  type EngineOutput,
  type FilePart,
  type JsonValue,
  RuntimeError,
  type ToolResult,
} from '@worker-runtime/core';
import { boundedOutput, boundedText, type Redactor } from '@worker-runtime/core/plugin-kit';
import type { CallUpdate } from './call-update.ts';

/** The most calls without a result, as `limits.openCalls` has it by default. At the limit, the run fails. */
const MAX_OPEN_CALLS = 1_000;

/** The most characters of calls to keep before they are reported, although their inputs may still change. */
const MAX_UNREPORTED_CHARS = 1_048_576;

/** The most characters of all calls without a result. At the limit, the run fails. */
const MAX_OPEN_CHARS = 8_388_608;

/** The most locations of a call to keep. */
const MAX_LOCATIONS = 100;

/** The characters of a terminal to keep beyond those that are shown: redaction may shorten what is shown. */
const SPARE_TERMINAL_CHARS = 8_192;

/** A call without a result. Everything in it but the terminal is redacted and cut to size. */
interface OpenCall {
  /** Unique in the log. The call ids of agents need not be. */
  readonly call: string;
  name: string;
  title: CallUpdate['title'];
  kind: CallUpdate['kind'];
  locations: CallUpdate['locations'];
  /** The input; undefined until the agent has sent it, and again when it is in the log. */
  input: JsonValue | undefined;
  content: ReturnType<typeof boundedText> | null;
  rawOutput: ReturnType<typeof boundedOutput> | null;
  /** The output of the terminal so far, as the agent sent it: a secret may be spread over two pieces. */
  terminal: string;
  /** True if the agent marks additions to the output of the terminal, so that any other output is the whole of it. */
  hasDeltas: boolean;
  exit: string | null;
  files: readonly FilePart[];
  /** True if a permission for the call was requested and not granted. */
  isDenied: boolean;
  isReported: boolean;
  chars: number;
}

const textOf = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** The memory that a call takes, roughly. */
const charsOf = ({ input, content, rawOutput, terminal, title, locations }: OpenCall): number =>
  256 +
  (input === undefined ? 0 : textOf(input).length) +
  (content?.text.length ?? 0) +
  (rawOutput === null ? 0 : textOf(rawOutput.output).length) +
  (title?.length ?? 0) +
  (locations?.reduce((sum, { path }) => sum + path.length, 0) ?? 0) +
  terminal.length;

/**
 * Tracks the tool calls of one run and assembles each from the agent's updates. A call is reported as late as possible,
 * so that its input is known, and before any output that follows from it.
 */
export class AgentCalls {
  readonly #maxBytes: number;
  readonly #redactor: Redactor;
  readonly #open = new Map<string, OpenCall>();
  /** The ids of the calls that ended last. */
  readonly #ended = new Set<string>();
  #chars = 0;
  #unreportedChars = 0;

  constructor(maxBytes: number, redactor: Redactor) {
    this.#maxBytes = maxBytes;
    this.#redactor = redactor;
  }

  /**
   * Applies an update, whose files have been stored. Returns the call once it has begun, and its result once it has ended. Updates of a call that has
   * ended are ignored: its result is in the log.
   * @throws LIMIT_REACHED too many calls have no result
   */
  update(update: CallUpdate, begins: boolean, files: readonly FilePart[]): readonly EngineOutput[] {
    if (!begins && this.#ended.has(update.id) && !this.#open.has(update.id)) return [];
    const open = this.#merge(update);
    // as content replaces earlier content
    if (update.content !== null) open.files = files;
    const { status } = update;
    const hasEnded = status === 'completed' || status === 'failed';
    const outputs = hasEnded || status === 'in_progress' ? this.#report(open) : [];
    if (hasEnded) {
      this.#open.delete(update.id);
      this.#chars -= open.chars;
      this.#ended.add(update.id);
      const [oldest] = this.#ended;
      if (oldest !== undefined && this.#ended.size > MAX_OPEN_CALLS) this.#ended.delete(oldest);
      return [...outputs, this.#resultOf(open, update)];
    }
    return this.#unreportedChars > MAX_UNREPORTED_CHARS ? [...outputs, ...this.flush()] : outputs;
  }

  /** Reports every call that is still held back, so that output that follows comes after it in the log. */
  flush(): readonly EngineOutput[] {
    if (this.#unreportedChars === 0) return [];
    return [...this.#open.values()].flatMap((open) => this.#report(open));
  }

  /** Reports a call if it is still held back, so that a request about it comes after it in the log. */
  report(id: string): readonly EngineOutput[] {
    const open = this.#open.get(id);
    return open ? this.#report(open) : [];
  }

  /**
   * Returns the remaining outputs of a run that ends. Calls that were not permitted end as such: many agents do not report
   * them again after the refusal.
   */
  finish(): readonly EngineOutput[] {
    const denied = [...this.#open.values()].filter(({ isDenied }) => isDenied);
    return [...this.flush(), ...denied.map(({ call }) => deniedResult(call))];
  }

  /**
   * Applies a permission request. Returns its prompt, and the id of the call that it is about. The call counts as denied
   * until `permitted` is called. The content of the request is for the person who answers: it is no output of the call.
   * @throws LIMIT_REACHED too many calls have no result
   */
  describe(update: CallUpdate): { readonly call: string; readonly prompt: string } {
    const open = this.#merge({ ...update, content: null, rawOutput: null, terminal: null, exit: null });
    open.isDenied = true;
    const { call, name, input } = open;
    const title = this.#redactor.text(update.title ?? open.title ?? name);
    const shown = input ?? (update.rawInput === null ? undefined : this.#bounded(update.rawInput).output);
    const withInput = shown === undefined ? name : `${name} ${textOf(shown)}`;
    const line = title === name ? withInput : `${name}: ${title}`;
    return { call, prompt: update.content ? `${line}\n${this.#redactor.text(update.content)}` : line };
  }

  /** Records that a call is permitted, or that nothing is known about that. */
  permitted(id: string): void {
    const open = this.#open.get(id);
    if (open) open.isDenied = false;
  }

  #merge(update: CallUpdate): OpenCall {
    const { id, name, title, kind, locations, rawInput, rawOutput, content, terminal, exit } = update;
    const open: OpenCall = this.#open.get(id) ?? {
      call: randomUUID().slice(0, 13),
      name: '',
      title: null,
      kind: null,
      locations: null,
      input: undefined,
      content: null,
      rawOutput: null,
      terminal: '',
      hasDeltas: false,
      exit: null,
      files: [],
      isDenied: false,
      isReported: false,
      chars: 0,
    };
    // Few agents name their tools. The kind groups calls at least, unlike the title, which is another one for each call.
    open.name ||= this.#redactor.text(name ?? kind ?? title ?? '').slice(0, 256) || 'tool';
    if (!open.isReported) {
      if (title !== null) open.title = this.#redactor.text(title).slice(0, 1_024);
      if (rawInput !== null) open.input = this.#bounded(rawInput).output;
      open.kind = kind ?? open.kind;
      open.locations = locations?.slice(0, MAX_LOCATIONS) ?? open.locations;
    }
    if (content !== null) open.content = boundedText(this.#redactor.text(content), this.#maxBytes);
    if (rawOutput !== null) open.rawOutput = this.#bounded(rawOutput);
    if (terminal !== null) {
      const before = open.hasDeltas && !terminal.isDelta ? '' : open.terminal;
      open.terminal = (before + terminal.data).slice(0, this.#maxBytes + SPARE_TERMINAL_CHARS);
      open.hasDeltas ||= terminal.isDelta;
    }
    open.exit = exit ?? open.exit;
    this.#open.set(id, open);
    this.#resize(open);
    if (this.#open.size > MAX_OPEN_CALLS || this.#chars > MAX_OPEN_CHARS)
      throw new RuntimeError('LIMIT_REACHED', 'The run has too many tool calls without a result', {
        details: { limit: 'openCalls', value: MAX_OPEN_CALLS },
      });
    return open;
  }

  #report(open: OpenCall): readonly EngineOutput[] {
    if (open.isReported) return [];
    this.#unreportedChars -= open.chars;
    open.isReported = true;
    const { call, name, title, kind, locations, input = {} } = open;
    // The log has it now.
    open.input = undefined;
    open.locations = null;
    this.#resize(open);
    return [
      {
        type: 'tool-call',
        call,
        name,
        input,
        ...(title !== null && { title }),
        ...(kind !== null && { kind }),
        ...(locations !== null && { locations }),
      },
    ];
  }

  /**
   * Returns the result of a call. The content of the last update is preferred, then the output of a terminal, then the raw
   * output of the last update: content that was sent earlier often describes the input. The exit of a terminal whose output
   * the agent did not send says less than a raw output.
   */
  #resultOf(open: OpenCall, last: CallUpdate): ToolResult {
    const { call, isDenied } = open;
    const { output, ...cut } = this.#outputOf(open, last);
    const files = open.files.length > 0 ? { files: open.files } : {};
    if (last.status === 'completed') return { type: 'tool-result', call, output, ...files, ...cut };
    const error = textOf(output);
    if (isDenied) return { ...deniedResult(call), ...(error !== '' && { error, ...cut }) };
    return { type: 'tool-result', call, error: error || 'The tool failed', ...files, ...cut };
  }

  #outputOf(open: OpenCall, last: CallUpdate): ReturnType<typeof boundedOutput> {
    const { content, rawOutput } = open;
    const { text = '', ...cut } = content ?? {};
    if (last.content) return { output: text, ...cut };
    const usesRawOutput = rawOutput !== null && (last.rawOutput !== null || text === '');
    const terminal = open.terminal === '' && usesRawOutput ? null : this.#terminalOf(open);
    if (terminal !== null) return terminal;
    if (usesRawOutput) return rawOutput;
    return { output: text, ...cut };
  }

  #terminalOf({ terminal, exit }: OpenCall): ReturnType<typeof boundedOutput> | null {
    if (terminal === '' && exit === null) return null;
    const isCut = terminal.length >= this.#maxBytes + SPARE_TERMINAL_CHARS;
    // The end of a text that was cut may be half a secret, which would not be recognized.
    const shown = this.#redactor.text(isCut ? terminal.slice(0, this.#redactor.settled(terminal)) : terminal);
    const remark = exit === null ? '' : `${shown === '' || shown.endsWith('\n') ? '' : '\n'}${exit}`;
    const { text, truncated } = boundedText(shown, this.#maxBytes);
    return { output: text + remark, ...((truncated || isCut) && { truncated: true }) };
  }

  #resize(open: OpenCall): void {
    const chars = charsOf(open);
    this.#chars += chars - open.chars;
    if (!open.isReported) this.#unreportedChars += chars - open.chars;
    open.chars = chars;
  }

  /** Redacts a value, then cuts it to size. In the other order, a secret that is cut in two would not be recognized. */
  #bounded(value: JsonValue): ReturnType<typeof boundedOutput> {
    return boundedOutput(this.#redactor.json(value), this.#maxBytes);
  }
}

const deniedResult = (call: string): ToolResult & { readonly error: string } => ({
  type: 'tool-result',
  call,
  error: 'The call was not permitted',
  denied: true,
});
