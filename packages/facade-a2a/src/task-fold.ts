import type {
  EventData,
  EventType,
  FilePart,
  MessagePart,
  OpenRequest,
  WorkerEvent,
} from '@worker-runtime/core';
import { outputTooLarge } from '@worker-runtime/core/plugin-kit';
import { openRequestOf } from '@worker-runtime/core/views';
import type { Artifact, Message, Part, Task, TaskState, TaskStatus } from './task.ts';

/** The longest texts of one task, in characters. A longer one cannot be read as a task, and the log has all of it. */
const TASK_CHARS = 16_777_216;

/** The types of the events that a task is made from. */
export const TASK_EVENTS: readonly EventType[] = [
  'input.accepted',
  'run.started',
  'run.continued',
  'run.finished',
  'message.completed',
  'tool.called',
  'tool.finished',
  'request.opened',
  'request.resolved',
];

const ENDS: Readonly<Record<EventData['run.finished']['outcome'], TaskState>> = {
  completed: 'TASK_STATE_COMPLETED',
  failed: 'TASK_STATE_FAILED',
  cancelled: 'TASK_STATE_CANCELED',
  interrupted: 'TASK_STATE_FAILED',
};

type Call = Pick<EventData['tool.called'], 'name' | 'title' | 'input'>;

/** The facts about a task that its events do not have. */
export interface TaskPlace {
  readonly taskId: string;
  readonly contextId: string;
  /** The address of the agent. Files are below it. */
  readonly url: string;
}

/** One run as a task of A2A, folded from its events in log order. */
export class TaskFold {
  readonly #place: TaskPlace;
  readonly #history: Message[] = [];
  readonly #artifacts: Artifact[] = [];
  readonly #requests = new Map<string, OpenRequest>();
  readonly #resolved = new Set<string>();
  readonly #calls = new Map<string, Call>();
  #status: TaskStatus = { state: 'TASK_STATE_SUBMITTED', timestamp: new Date(0).toISOString() };
  #isFinished = false;
  #lastSeq = 0;
  #chars = 0;

  constructor(place: TaskPlace) {
    this.#place = place;
  }

  get place(): TaskPlace {
    return this.#place;
  }

  get status(): TaskStatus {
    return this.#status;
  }

  /** The requests that wait for an answer. */
  get requests(): readonly OpenRequest[] {
    return [...this.#requests.values()];
  }

  /** True if the task has asked this, and it has an answer. */
  hasResolved(requestId: string): boolean {
    return this.#resolved.has(requestId);
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** True if the task does not continue by itself: it has ended, or waits for an answer. */
  get isSettled(): boolean {
    return this.#isFinished || this.#requests.size > 0;
  }

  /** The number of the last event that was read, of any run. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Adds the next event of the log. Returns the artifacts that it completes. @throws OUTPUT_TOO_LARGE */
  add(event: WorkerEvent): readonly Artifact[] {
    this.#lastSeq = event.seq;
    if (event.run !== this.#place.taskId) return [];
    switch (event.type) {
      case 'input.accepted':
        this.#setState('TASK_STATE_SUBMITTED', event.time);
        this.#addInput(event.data);
        return [];
      case 'run.started':
      case 'run.continued':
        this.#continues(event.time);
        return [];
      case 'message.completed':
        return this.#addMessage(event.data);
      case 'tool.called':
        this.#calls.set(event.data.call, event.data);
        return [];
      case 'tool.finished':
        this.#calls.delete(event.data.call);
        return [];
      case 'request.opened': {
        const opened = openRequestOf(event);
        this.#requests.set(opened.requestId, opened);
        this.#record(this.#messageOf(opened.requestId, 'ROLE_AGENT', this.#askingParts(opened)));
        this.#continues(event.time);
        return [];
      }
      case 'request.resolved':
        this.#resolve(event.data);
        this.#continues(event.time);
        return [];
      case 'run.finished':
        this.#finish(event.data, event.time);
        return [];
      default:
        return [];
    }
  }

  /** Returns the task as it is now. `historyLength` is the most messages of its history; null for all. */
  task(historyLength: number | null, hasArtifacts = true): Task {
    const history =
      historyLength === 0 ? [] : this.#history.slice(historyLength === null ? 0 : -historyLength);
    return {
      id: this.#place.taskId,
      contextId: this.#place.contextId,
      status: this.#status,
      ...(hasArtifacts && this.#artifacts.length > 0 && { artifacts: [...this.#artifacts] }),
      ...(history.length > 0 && { history }),
    };
  }

  /** Returns a status of a task in work that tells what the Worker does. */
  working(event: Extract<WorkerEvent, { readonly type: 'tool.called' }>): TaskStatus {
    const { call, title, name } = event.data;
    const message = this.#messageOf(`${call}@${event.seq}`, 'ROLE_AGENT', [{ text: title ?? name }]);
    return { state: 'TASK_STATE_WORKING', message, timestamp: event.time };
  }

  #messageOf(messageId: string, role: Message['role'], parts: readonly Part[]): Message {
    const { taskId, contextId } = this.#place;
    return { messageId, contextId, taskId, role, parts };
  }

  #setState(state: TaskState, timestamp: string, message?: Message): void {
    this.#status = { state, ...(message && { message }), timestamp };
  }

  /** Sets the state of a task that has not ended. */
  #continues(time: string): void {
    const last = this.requests.at(-1);
    if (!last) {
      this.#setState('TASK_STATE_WORKING', time);
      return;
    }
    const parts = this.requests.flatMap((request) => this.#askingParts(request));
    this.#setState('TASK_STATE_INPUT_REQUIRED', time, this.#messageOf(last.requestId, 'ROLE_AGENT', parts));
  }

  #addInput({ input, parts, messageId, metadata }: EventData['input.accepted']): void {
    const shown = parts.map((part) => (part.type === 'text' ? { text: part.text } : this.#filePart(part)));
    const message = this.#messageOf(messageId ?? input, 'ROLE_USER', shown);
    this.#record(metadata === undefined ? message : { ...message, metadata });
  }

  #addMessage({ parts, partial }: EventData['message.completed']): readonly Artifact[] {
    const metadata = partial ? { metadata: { partial } } : {};
    const made = parts.flatMap((part): readonly Artifact[] => {
      const artifactId = part.id;
      switch (part.type) {
        case 'text':
          return part.text === '' ? [] : [{ artifactId, parts: [{ text: part.text }], ...metadata }];
        case 'file':
          return [{ artifactId, parts: [this.#filePart(part)], ...metadata }];
        // thoughts are not output
        default:
          return [];
      }
    });
    for (const artifact of made) {
      this.#count(artifact.parts);
      this.#artifacts.push(artifact);
    }
    return made;
  }

  #resolve({ request, decision, value, note, by }: EventData['request.resolved']): void {
    this.#requests.delete(request);
    this.#resolved.add(request);
    if (by !== 'client' || decision === null) return;
    const data = {
      requestId: request,
      decision,
      ...(value !== undefined && { value }),
      ...(note !== undefined && { note }),
    };
    this.#record(this.#messageOf(`${request}:answer`, 'ROLE_USER', [{ data }]));
  }

  #finish({ outcome, error, reason }: EventData['run.finished'], time: string): void {
    this.#isFinished = true;
    this.#requests.clear();
    const text =
      outcome === 'interrupted'
        ? 'EXECUTION_LOST: The run was interrupted, because the runtime stopped or crashed'
        : error === undefined
          ? reason
          : `${error.code}: ${error.message}`;
    const { taskId } = this.#place;
    const message =
      text === undefined ? undefined : this.#messageOf(`${taskId}:end`, 'ROLE_AGENT', [{ text }]);
    this.#setState(ENDS[outcome], time, message);
  }

  #askingParts({ requestId, kind, prompt, options, schema, call, expiresAt }: OpenRequest): readonly Part[] {
    const about = call === null ? undefined : this.#calls.get(call);
    const data = {
      requestId,
      kind,
      options: options.map(({ id, label, kind: means }) => ({ id, label, ...(means && { kind: means }) })),
      ...(schema !== null && { schema }),
      ...(expiresAt !== null && { expiresAt }),
      ...(about && {
        call: { name: about.name, ...(about.title && { title: about.title }), input: about.input },
      }),
    };
    return [{ text: prompt }, { data }];
  }

  #filePart(part: FilePart | Extract<MessagePart, { readonly type: 'file' }>): Part {
    const { mediaType, name } = part;
    return {
      // an engine of an earlier version gave a URL of its own
      url: 'digest' in part ? `${this.#place.url}/files/${part.digest}` : part.url,
      mediaType,
      ...(name !== undefined && { filename: name }),
      ...('digest' in part && { metadata: { sizeBytes: part.sizeBytes } }),
    };
  }

  #record(message: Message): void {
    this.#count(message.parts);
    this.#history.push(message);
  }

  #count(parts: readonly Part[]): void {
    for (const part of parts) this.#chars += 'text' in part ? part.text.length : JSON.stringify(part).length;
    if (this.#chars > TASK_CHARS) throw outputTooLarge('taskChars', TASK_CHARS);
  }
}
