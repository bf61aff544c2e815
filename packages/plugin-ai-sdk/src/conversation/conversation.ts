import type { FilePart, JsonValue, ToolPart, TranscriptItem } from '@worker-runtime/core';
import type {
  ModelMessage,
  ProviderMetadata,
  TextPart,
  ToolModelMessage,
  ToolResultPart,
  UserModelMessage,
} from 'ai';
import { type StoredFilePart, storedFilePart, storedFileText } from '../model/model-files.ts';
import { type AnswerContent, INTERRUPTED, type ModelCall, toolNameForModel } from '../model/model-step.ts';
import { COMPACT_CALL, summaryIn } from './compact-call.ts';

/** The messages of one run, in order. */
interface RunMessages {
  readonly messages: ModelMessage[];
  /** The names of the calls that have no result yet, by call id. */
  readonly openCalls: Map<string, string>;
  /** The last message of the model, until a call follows it: all its parts, and those of them that are sent. */
  answer: { readonly parts: AnswerContent; readonly sent: AnswerContent } | null;
  /** The message with the files of the last results, which follows them: many providers take no files within a result. */
  resultFiles: UserModelMessage | null;
}

/** Placeholders for missing answers: many models refuse two user messages in a row. */
const UNANSWERED = '[There was no answer.]';
const SUMMARIZED = '[I continue from this summary.]';

/** Returns the content of an input: a text, or its texts and files in order. */
const inputContent = ({ role, parts }: TranscriptItem): string | (TextPart | StoredFilePart)[] => {
  const content: (TextPart | StoredFilePart)[] = [];
  for (const part of parts) {
    const last = content.at(-1);
    if (part.type === 'file' && 'digest' in part) content.push(storedFilePart(part));
    else if (part.type !== 'text') continue;
    else if (last?.type === 'text')
      content[content.length - 1] = { type: 'text', text: last.text + part.text };
    else content.push({ type: 'text', text: part.text });
  }
  const files = content.filter((part) => part.type === 'file');
  const written = content.map((part) => (part.type === 'text' ? part.text : '')).join('') || '(nothing)';
  // Many models refuse a system message that is not the first message.
  if (role === 'system') {
    const text = `<system-message>\n${files.length > 0 && written === '(nothing)' ? '' : written}\n</system-message>`;
    return files.length > 0 ? [{ type: 'text', text }, ...files] : text;
  }
  return files.length > 0 ? content : written;
};

const resultPart = (
  call: string,
  name: string,
  result: { readonly output?: JsonValue; readonly error?: string },
): ToolResultPart => ({
  type: 'tool-result',
  toolCallId: call,
  toolName: toolNameForModel(name),
  output:
    result.error !== undefined
      ? { type: 'error-text', value: result.error }
      : typeof result.output === 'string'
        ? { type: 'text', value: result.output }
        : { type: 'json', value: (result.output ?? null) as never },
});

/**
 * The messages for a model, built from the transcript and ordered by run. In the log, a queued input comes before the
 * answer to the previous input; here it comes after that answer. Every call has a result: if the log has none, because
 * the runtime ended or the run was cancelled, the result says that the call was interrupted.
 */
export class Conversation {
  readonly #runs = new Map<string | null, RunMessages>();
  readonly #compactionRuns = new Map<string, string | null>();
  readonly #calls: ModelCall[] = [];
  #isAnswered = false;
  #summary: string | null = null;
  readonly #takes: (file: FilePart) => boolean;

  /** `takes` returns true for a file that the model can take. Other files of results are not sent: the results name them. */
  private constructor(takes: (file: FilePart) => boolean) {
    this.#takes = takes;
  }

  /**
   * Reads the conversation up to and including a run, from the whole log. Inputs that are queued later are left out.
   */
  static async read(
    history: AsyncIterable<TranscriptItem>,
    runId: string,
    takes: (file: FilePart) => boolean,
  ): Promise<Conversation> {
    const conversation = new Conversation(takes);
    for await (const item of history) {
      conversation.add(item);
      if (item.run === runId) conversation.#note(item);
    }
    let isLater = false;
    for (const run of [...conversation.#runs.keys()]) {
      if (isLater) conversation.#runs.delete(run);
      isLater ||= run === runId;
    }
    return conversation;
  }

  /** The calls of the run that was read up to, with the inputs that the log has. */
  get calls(): readonly ModelCall[] {
    return this.#calls;
  }

  /** True if the last item of the run that was read up to is an answer of the model: nothing is left to do. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  #note({ role, parts }: TranscriptItem): void {
    this.#isAnswered = role === 'assistant' && parts.some(({ type }) => type === 'text' || type === 'file');
    for (const part of parts)
      if (part.type === 'tool-call') {
        const { call, name, input } = part;
        this.#calls.push({ call, name: toolNameForModel(name), input, invalid: null });
      }
  }

  add(item: TranscriptItem): void {
    const { role } = item;
    const run = this.#run(item.run);
    if (role === 'user' || role === 'system') {
      closeCalls(run);
      run.messages.push({ role: 'user', content: inputContent(item) });
      return;
    }
    const answer = item.parts.flatMap(answerPart);
    if (answer.length > 0) addAnswer(run, answer);
    for (const part of item.parts) {
      if (part.type === 'tool-call') this.#addCall(run, item.run, part);
      else if (part.type === 'tool-result') this.#addResult(run, part.call, part);
    }
  }

  /** Adds an answer of the model in this run, with all its parts as they were. */
  addAnswer(runId: string, content: AnswerContent): void {
    const run = this.#run(runId);
    closeCalls(run);
    const parts = content.filter((part) => part.type !== 'text' || part.text.trim() !== '');
    if (parts.every(({ type }) => type === 'reasoning')) return;
    run.messages.push({ role: 'assistant', content: parts });
    for (const part of parts)
      if (part.type === 'tool-call') run.openCalls.set(part.toolCallId, part.toolName);
  }

  /** Replaces all runs before a run with a summary. */
  replaceEarlier(summary: string, runId: string | null): void {
    for (const earlier of [...this.#runs.keys()]) {
      if (earlier === runId) break;
      this.#runs.delete(earlier);
    }
    this.#summary = summary;
  }

  /** Returns what a new summary would replace: the previous summary, and the messages of all runs before a run. */
  earlierThan(runId: string): {
    readonly summary: string | null;
    readonly messages: readonly ModelMessage[];
  } {
    const messages: ModelMessage[] = [];
    for (const [id, run] of this.#runs) {
      if (id === runId) break;
      closeCalls(run);
      messages.push(...run.messages);
    }
    return { summary: this.#summary, messages };
  }

  /** Returns the messages for a request. */
  messages(): ModelMessage[] {
    const messages: ModelMessage[] = [];
    if (this.#summary !== null)
      messages.push({
        role: 'user',
        content: `<summary-of-the-conversation-so-far>\n${this.#summary}\n</summary-of-the-conversation-so-far>`,
      });
    for (const run of this.#runs.values()) {
      closeCalls(run);
      if (messages.at(-1)?.role === 'user' && run.messages[0]?.role === 'user')
        messages.push({
          role: 'assistant',
          content: messages.length === 1 && this.#summary !== null ? SUMMARIZED : UNANSWERED,
        });
      messages.push(...run.messages);
    }
    return messages;
  }

  #run(runId: string | null): RunMessages {
    let run = this.#runs.get(runId);
    if (!run) {
      run = { messages: [], openCalls: new Map(), answer: null, resultFiles: null };
      this.#runs.set(runId, run);
    }
    return run;
  }

  #addCall(
    run: RunMessages,
    runId: string | null,
    { call, name, input, opaque }: Extract<ToolPart, { readonly type: 'tool-call' }>,
  ): void {
    if (name === COMPACT_CALL) {
      this.#compactionRuns.set(call, runId);
      return;
    }
    const part = {
      type: 'tool-call',
      toolCallId: call,
      toolName: toolNameForModel(name),
      input,
      ...sentBack(opaque),
    } as const;
    // Some models require the reasoning before their calls back, and ignore or refuse any other.
    const { parts = [], sent = [] } = run.answer ?? {};
    run.answer = null;
    const last = run.messages.at(-1);
    if (sent.length > 0) sent.splice(0, sent.length, ...parts, part);
    else if (last?.role === 'assistant') (last.content as AnswerContent).push(...parts, part);
    else run.messages.push({ role: 'assistant', content: [...parts, part] });
    run.openCalls.set(call, name);
  }

  #addResult(
    run: RunMessages,
    call: string,
    result: Extract<ToolPart, { readonly type: 'tool-result' }>,
  ): void {
    const compactionRun = this.#compactionRuns.get(call);
    if (compactionRun !== undefined) {
      const summary = summaryIn(result.output);
      if (summary !== null) this.replaceEarlier(summary, compactionRun);
      return;
    }
    const name = run.openCalls.get(call);
    if (name === undefined) return;
    closeCall(run, call, resultPart(call, name, result));
    const files = result.files?.filter(this.#takes) ?? [];
    if (files.length > 0) addResultFiles(run, name, files);
  }
}

/** Returns the data of a provider, such as a signature, as the option with which its part is sent back. */
const sentBack = (opaque: JsonValue | undefined): { readonly providerOptions?: ProviderMetadata } =>
  opaque === undefined ? {} : { providerOptions: opaque as ProviderMetadata };

/** Returns a part of a message as it is sent back. */
const answerPart = (part: TranscriptItem['parts'][number]): AnswerContent => {
  if (part.type === 'file')
    return 'digest' in part ? [storedFilePart(part, 'opaque' in part ? sentBack(part.opaque) : {})] : [];
  if (part.type === 'reasoning') return [{ type: 'reasoning', text: part.text, ...sentBack(part.opaque) }];
  // Some providers refuse an empty text.
  if (part.type !== 'text' || part.text.trim() === '') return [];
  return [{ type: 'text', text: part.text, ...('opaque' in part && sentBack(part.opaque)) }];
};

const addAnswer = (run: RunMessages, parts: AnswerContent): void => {
  const sent = parts.filter(({ type }) => type === 'text' || type === 'file');
  if (sent.length > 0) {
    closeCalls(run);
    run.messages.push({ role: 'assistant', content: sent });
  }
  run.answer = { parts, sent };
};

const closeCall = (run: RunMessages, call: string, result: ToolResultPart): void => {
  run.openCalls.delete(call);
  const { messages, resultFiles } = run;
  // All results of an answer follow it directly.
  const end = resultFiles !== null && messages.at(-1) === resultFiles ? messages.length - 1 : messages.length;
  const last = messages[end - 1];
  if (last?.role === 'tool') (last as { content: ToolModelMessage['content'] }).content.push(result);
  else messages.splice(end, 0, { role: 'tool', content: [result] });
};

const addResultFiles = (run: RunMessages, name: string, files: readonly FilePart[]): void => {
  const content = files
    .map((file) => storedFilePart(file))
    .flatMap((part) => [
      { type: 'text' as const, text: `${storedFileText(part)} of ${toolNameForModel(name)}:` },
      part,
    ]);
  const { messages, resultFiles } = run;
  if (resultFiles !== null && messages.at(-1) === resultFiles)
    (resultFiles.content as (TextPart | StoredFilePart)[]).push(...content);
  else {
    run.resultFiles = { role: 'user', content };
    messages.push(run.resultFiles);
  }
};

/** Adds a result to every call that has none. */
const closeCalls = (run: RunMessages): void => {
  for (const [call, name] of [...run.openCalls])
    closeCall(run, call, resultPart(call, name, { error: INTERRUPTED }));
};
