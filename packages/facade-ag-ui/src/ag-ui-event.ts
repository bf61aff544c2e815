import type { JsonObject } from '@worker-runtime/core';

interface Tool {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
  readonly metadata?: JsonObject;
}

/** A message as clients of AG-UI hold it. */
export type AgUiMessage =
  | { readonly id: string; readonly role: 'user'; readonly content: string | readonly JsonObject[] }
  | { readonly id: string; readonly role: 'system' | 'reasoning'; readonly content: string }
  | {
      readonly id: string;
      readonly role: 'assistant';
      readonly content?: string;
      readonly toolCalls?: readonly Tool[];
    }
  | {
      readonly id: string;
      readonly role: 'tool';
      readonly toolCallId: string;
      readonly content: string;
      readonly metadata?: JsonObject;
    }
  | {
      readonly id: string;
      readonly role: 'activity';
      readonly activityType: string;
      readonly content: JsonObject;
    };

/** A request that waits for people. */
export interface Interrupt {
  readonly id: string;
  readonly reason: string;
  readonly message: string;
  readonly toolCallId?: string;
  readonly responseSchema: JsonObject;
  readonly expiresAt?: string;
  readonly metadata: JsonObject;
}

interface OfRun {
  readonly threadId: string;
  readonly runId: string;
}

type Outcome =
  | { readonly type: 'success' | 'cancelled' }
  | { readonly type: 'interrupt'; readonly interrupts: readonly Interrupt[] };

/** The events of AG-UI 1.0 that the façade sends. */
export type AgUiEvent =
  | (OfRun & {
      readonly type: 'RUN_STARTED';
      readonly protocolVersion: string;
      readonly metadata: JsonObject;
    })
  | (OfRun & { readonly type: 'RUN_FINISHED'; readonly outcome: Outcome })
  | { readonly type: 'RUN_ERROR'; readonly code: string; readonly message: string }
  | { readonly type: 'STEP_STARTED' | 'STEP_FINISHED'; readonly stepName: string }
  | { readonly type: 'MESSAGES_SNAPSHOT'; readonly messages: readonly AgUiMessage[] }
  | { readonly type: 'TEXT_MESSAGE_START'; readonly messageId: string; readonly role: 'assistant' }
  | { readonly type: 'REASONING_MESSAGE_START'; readonly messageId: string; readonly role: 'reasoning' }
  | {
      readonly type: 'TEXT_MESSAGE_CONTENT' | 'REASONING_MESSAGE_CONTENT';
      readonly messageId: string;
      readonly delta: string;
    }
  | {
      readonly type: 'TEXT_MESSAGE_END' | 'REASONING_START' | 'REASONING_MESSAGE_END' | 'REASONING_END';
      readonly messageId: string;
    }
  | {
      readonly type: 'TOOL_CALL_START';
      readonly toolCallId: string;
      readonly toolCallName: string;
      readonly parentMessageId: string;
      readonly metadata?: JsonObject;
    }
  | { readonly type: 'TOOL_CALL_ARGS'; readonly toolCallId: string; readonly delta: string }
  | { readonly type: 'TOOL_CALL_END'; readonly toolCallId: string }
  | {
      readonly type: 'TOOL_CALL_RESULT';
      readonly messageId: string;
      readonly toolCallId: string;
      readonly content: string;
      readonly role: 'tool';
      readonly metadata?: JsonObject;
    }
  | {
      readonly type: 'ACTIVITY_SNAPSHOT';
      readonly messageId: string;
      readonly activityType: string;
      readonly content: JsonObject;
    };
