import type { Answer, JsonObject } from '@worker-runtime/core';
import { schemaFault } from './schema-fault.ts';

/** A form that a tool server asks people to fill in during a call (elicitation). */
export interface Form {
  /** The name of the server. */
  readonly server: string;
  readonly message: string;
  /** The schema of the values: an object without nested objects. */
  readonly schema: JsonObject;
  /** True if the form belongs to exactly one call. Otherwise it belongs to one of several calls of the run. */
  readonly isOfOneCall: boolean;
  /** Fires when the server no longer waits for the answer. */
  readonly signal: AbortSignal;
}

/** The answer to a form, as servers get it. */
export interface FormAnswer {
  /** `cancel`: the form was closed or ended without a choice. */
  readonly action: 'accept' | 'decline' | 'cancel';
  /** The values of an accepted form. */
  readonly content?: Readonly<Record<string, string | number | boolean | string[]>>;
  /** The SDK declares answers as open objects. */
  readonly [member: string]: unknown;
}

/** The options of the request that a form becomes. */
export const FORM_OPTIONS = [
  { id: 'accept', label: 'Send', kind: 'allow-once' },
  { id: 'decline', label: 'Decline', kind: 'reject-once' },
  { id: 'cancel', label: 'Cancel' },
] as const;

/**
 * Returns what a server gets for the answer of a person. A form that was accepted without the values that it needs counts as
 * cancelled.
 */
export const formAnswer = ({ schema }: Form, { decision, value = {} }: Answer): FormAnswer => {
  if (decision === 'decline') return { action: 'decline' };
  if (decision !== 'accept' || schemaFault(schema, value) !== null) return { action: 'cancel' };
  return { action: 'accept', content: value as NonNullable<FormAnswer['content']> };
};
