import type { JsonObject, JsonValue } from '@worker-runtime/core';

export type TaskState =
  | 'TASK_STATE_SUBMITTED'
  | 'TASK_STATE_WORKING'
  | 'TASK_STATE_INPUT_REQUIRED'
  | 'TASK_STATE_COMPLETED'
  | 'TASK_STATE_FAILED'
  | 'TASK_STATE_CANCELED';

export type Part = { readonly metadata?: JsonObject } & (
  | { readonly text: string }
  | { readonly url: string; readonly mediaType: string; readonly filename?: string }
  | { readonly data: JsonValue }
);

export interface Message {
  readonly messageId: string;
  readonly contextId: string;
  readonly taskId: string;
  readonly role: 'ROLE_USER' | 'ROLE_AGENT';
  readonly parts: readonly Part[];
  readonly metadata?: JsonObject;
}

export interface TaskStatus {
  readonly state: TaskState;
  readonly message?: Message;
  readonly timestamp: string;
}

export interface Artifact {
  readonly artifactId: string;
  readonly parts: readonly Part[];
  readonly metadata?: JsonObject;
}

export interface Task {
  readonly id: string;
  readonly contextId: string;
  readonly status: TaskStatus;
  readonly artifacts?: readonly Artifact[];
  readonly history?: readonly Message[];
}

interface OfTask {
  readonly taskId: string;
  readonly contextId: string;
}

/** One item of a stream: first the task, then what changes. */
export type StreamItem =
  | { readonly task: Task }
  | { readonly statusUpdate: OfTask & { readonly status: TaskStatus } }
  | {
      readonly artifactUpdate: OfTask & {
        readonly artifact: Artifact;
        readonly append: boolean;
        readonly lastChunk: boolean;
      };
    };
