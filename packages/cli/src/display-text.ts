import type {
  EventData,
  FilePart,
  MessagePart,
  RequestOption,
  RunResult,
  TranscriptItem,
  WorkerEvent,
} from '@worker-runtime/core';
import type { RunEndPart } from '@worker-runtime/core/plugin-kit';
import { requestOptionOf } from '@worker-runtime/core/views';

/** The mark at the end of an incomplete message. */
export const CUT_OFF = ' […]';

/** Says how a run ended that did not complete. */
const outcomeText = ({ outcome, error, reason }: Omit<RunEndPart, 'type'>): string => {
  const why = error ? `${error.code}: ${error.message}` : reason;
  const end = outcome === 'failed' ? outcome : `was ${outcome}`;
  return why === undefined ? end : `${end}: ${why}`;
};

/** Returns what people see as the name of a call: its title, or the name of the tool if it has none. */
export const callName = ({
  name,
  title = name,
}: {
  readonly name: string;
  readonly title?: string;
}): string => title;

/** Names a file for people, with the digest by which it can be downloaded. */
export const fileWithDigest = (part: FilePart | Extract<MessagePart, { type: 'file' }>): string =>
  [part.name ?? part.mediaType, 'digest' in part ? part.digest : part.url].join(' ');

const resultText = ({
  error,
  output,
  files = [],
}: Pick<EventData['tool.finished'], 'error' | 'output' | 'files'>): string =>
  [error ?? JSON.stringify(output ?? null), ...files.map((part) => `[${fileWithDigest(part)}]`)].join(' ');

const partText = (part: TranscriptItem['parts'][number]): string => {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'reasoning':
      return `(${part.text})`;
    case 'file':
      return `[${fileWithDigest(part)}]`;
    case 'tool-call':
      return `${callName(part)}(${JSON.stringify(part.input)})`;
    case 'tool-result':
      return resultText(part);
    case 'run-end':
      return `[the run ${outcomeText(part)}]`;
  }
};

/** Formats a message, a tool call or a tool result for people. Marks an incomplete message. */
export const textOf = ({ parts, partial }: Pick<TranscriptItem, 'parts'> & { partial?: boolean }): string =>
  `${parts.map(partText).join('')}${partial === true ? CUT_OFF : ''}`;

/** Names who speaks in an item: its role, with the caller if the runtime knows it. */
export const speakerOf = ({ role, actor }: Pick<TranscriptItem, 'role' | 'actor'>): string =>
  actor === undefined ? role : `${role} (${actor})`;

/** Formats the answer of a run: what the Worker said in it. */
export const answerOf = (run: RunResult): string =>
  run.messages
    .filter(({ role }) => role === 'assistant')
    .map(textOf)
    .join('\n');

/** Formats the options of a request. A person answers with the label or the number of an option. */
export const choicesOf = (options: readonly RequestOption[]): string =>
  options.map(({ label }, at) => `${at + 1} ${label}`).join(', ');

/** Summarizes an event in a few words, with the caller of its command if the runtime knows it. */
export const eventSummary = (event: WorkerEvent): string => {
  const actor = 'actor' in event.data ? event.data.actor : undefined;
  return [dataSummary(event), actor !== undefined && `(by ${actor})`].filter(Boolean).join(' ');
};

/** Summarizes the data of an event. Shows all data of event types that only a newer runtime knows. */
const dataSummary = (event: WorkerEvent): string => {
  switch (event.type) {
    case 'input.accepted':
    case 'message.completed':
      return textOf(event.data);
    case 'run.finished':
      return event.data.error === undefined
        ? event.data.outcome
        : `${event.data.outcome}: ${event.data.error.code}: ${event.data.error.message}`;
    case 'worker.created':
      return event.data.engine;
    case 'worker.forked':
      return '';
    case 'worker.stopped':
      return event.data.outcome;
    case 'execution.attached':
      return `${event.data.engine}, generation ${event.data.generation}`;
    case 'execution.detached':
      return event.data.cause;
    case 'tool.called':
      return callName(event.data);
    case 'tool.finished':
      return resultText(event.data);
    case 'request.opened':
      return `${event.data.prompt} [${event.data.options.map((option) => requestOptionOf(option).label).join(', ')}]`;
    case 'request.resolved':
      return event.data.decision ?? event.data.by;
    case 'usage.recorded':
      return `${event.data.inputTokens} in, ${event.data.outputTokens} out`;
    case 'diagnostic.recorded':
      return `${event.data.code}: ${event.data.message}`;
    case 'run.started':
    case 'worker.resumed':
      return '';
    default: {
      const { actor: _, ...data }: WorkerEvent['data'] & { readonly actor?: string } = event.data;
      return JSON.stringify(data);
    }
  }
};
