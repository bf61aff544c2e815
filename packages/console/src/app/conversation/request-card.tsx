import { RemoteError } from '@worker-runtime/client';
import type { JsonObject, JsonValue, OpenRequest, RequestOption } from '@worker-runtime/core';
import type { AskAnswer } from '@worker-runtime/core/views';
import { useEffect, useId, useRef, useState } from 'react';
import { backend, openRequests } from '../live/server.ts';
import { announce } from '../parts/announce.ts';
import { Button } from '../parts/button.tsx';
import { durationText } from '../parts/duration.ts';
import { Check, MessageCircleQuestion, ShieldQuestion } from '../parts/icons.ts';
import { inOrder } from '../parts/in-order.ts';
import { fieldsOf, SchemaFields } from '../parts/schema-fields.tsx';
import { Moment } from '../parts/time.tsx';
import { useNow } from '../parts/use-now.ts';
import styles from './request-card.module.css';

const isRefusal = ({ kind, id }: RequestOption): boolean =>
  kind?.startsWith('reject') ?? /^(deny|reject|no|decline|cancel)/i.test(id);

const BY: Readonly<Record<string, string>> = {
  client: 'by a person or program elsewhere',
  timeout: 'by its time limit',
  cancel: 'by a cancel',
  restart: 'by a restart of the runtime',
  unknown: 'elsewhere',
};

/** Says what came of a request. */
const answerText = (
  { options }: Pick<OpenRequest, 'options'>,
  { decision, by, actor }: Pick<AskAnswer, 'decision' | 'by' | 'actor'>,
  isOwn: boolean,
): string => {
  const label = options.find(({ id }) => id === decision)?.label ?? decision;
  const who = isOwn ? 'here' : actor !== null ? `by ${actor}` : (BY[by] ?? `by ${by}`);
  return inOrder(label === null ? `Closed ${who}` : `${label}, ${who}`);
};

const Deadline = ({ of }: { readonly of: string }) => {
  const left = Date.parse(of) - useNow();
  return <span className={styles.deadline}>{left > 0 ? `${durationText(left)} left` : 'time is over'}</span>;
};

/** Reads the text of a field as the value that a schema asks for. */
const answerValue = (schema: JsonObject, text: string): JsonValue => {
  if (schema.type === 'string') return text;
  return JSON.parse(text) as JsonValue;
};

interface CardProps {
  readonly runtimeId: string;
  readonly workerId: string;
  readonly request: OpenRequest;
  readonly answer: AskAnswer | null;
  /** The call that the request is about. */
  readonly children?: React.ReactNode;
}

/** A request of a run, with its answers as buttons; or what came of it. */
export const RequestCard = ({ runtimeId, workerId, request, answer, children }: CardProps) => {
  const { requestId, prompt, options, schema, expiresAt, kind } = request;
  const [sent, setSent] = useState<string | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [note, setNote] = useState('');
  const [value, setValue] = useState('');
  const [fields, setFields] = useState<JsonObject>({});
  const form = useRef<HTMLFormElement>(null);
  const isForm = schema !== null && fieldsOf(schema).length > 0;
  const id = useId();
  const isOpen = answer === null;
  const result = answer && answerText(request, answer, openRequests.isOwn(requestId));
  const wasOpen = useRef(isOpen);
  useEffect(() => {
    if (wasOpen.current && result !== null) announce(`${result}: ${inOrder(prompt)}`);
    wasOpen.current = result === null;
  }, [result, prompt]);

  const respond = async (option: RequestOption): Promise<void> => {
    const decision = option.id;
    setFailure(null);
    // a field that is not valid has given no value, or still has the one of before
    if (!isRefusal(option) && form.current?.reportValidity() === false) return;
    let given: { value?: JsonValue } = {};
    try {
      if (isForm && !isRefusal(option)) given = { value: fields };
      else if (schema !== null && value !== '' && !isRefusal(option))
        given = { value: answerValue(schema, value) };
    } catch {
      setFailure('The value is not valid JSON');
      return;
    }
    setSent(decision);
    openRequests.noteOwn(requestId, true);
    try {
      const api = backend.find(runtimeId)?.api;
      if (api === undefined) throw new RemoteError('RUNTIME_NOT_FOUND', 'The runtime is gone');
      await api.respond(workerId, requestId, { decision, ...given, ...(note !== '' && { note }) });
    } catch (error) {
      setSent(null);
      // another person was faster: the event says who
      if (error instanceof RemoteError && ['REQUEST_RESOLVED', 'REQUEST_NOT_FOUND'].includes(error.code)) {
        openRequests.noteOwn(requestId, false);
        setFailure('This request was answered elsewhere a moment ago');
        return;
      }
      setFailure(error instanceof Error ? error.message : String(error));
    }
  };

  const Icon = kind === 'permission' ? ShieldQuestion : MessageCircleQuestion;
  return (
    <section
      className={`${styles.card} ${isOpen ? styles.open : ''}`}
      // the focus stays here when the answers go
      tabIndex={-1}
      aria-labelledby={id}
      data-request={requestId}
      data-open={isOpen}
    >
      <header className={styles.head}>
        {isOpen ? <Icon size={18} aria-hidden /> : <Check size={18} aria-hidden />}
        <h2 id={id}>{inOrder(prompt)}</h2>
        {isOpen && expiresAt !== null && <Deadline of={expiresAt} />}
      </header>
      {children}
      {isOpen ? (
        <>
          {isForm && (
            <form ref={form} className={styles.form} onSubmit={(event) => event.preventDefault()}>
              <SchemaFields schema={schema} value={fields} onChange={setFields} />
            </form>
          )}
          {schema !== null && !isForm && (
            <label className={styles.field}>
              <span>{typeof schema.description === 'string' ? inOrder(schema.description) : 'Value'}</span>
              <textarea
                rows={schema.type === 'string' ? 1 : 3}
                value={value}
                placeholder={schema.type === 'string' ? '' : 'JSON'}
                onChange={({ target }) => setValue(target.value)}
              />
            </label>
          )}
          <div className={styles.answers}>
            {options.map((option) => (
              <Button
                key={option.id}
                tone={isRefusal(option) ? 'plain' : option === options[0] ? 'primary' : 'plain'}
                disabled={sent !== null}
                data-decision={option.id}
                onClick={({ detail }) => {
                  // the second click of a double click may meet the next request, which took the place of the first
                  if (detail < 2) void respond(option);
                }}
              >
                {sent === option.id ? 'Sending…' : inOrder(option.label)}
              </Button>
            ))}
            <input
              className={styles.note}
              value={note}
              placeholder="Add a note"
              aria-label="A note with the answer"
              maxLength={4_096}
              onChange={({ target }) => setNote(target.value)}
            />
          </div>
        </>
      ) : (
        <p className={styles.result}>
          {result} · <Moment of={answer.time} />
          {'note' in answer && answer.note !== null && <q>{inOrder(answer.note)}</q>}
        </p>
      )}
      {failure !== null && isOpen && (
        <p className={styles.failure} role="alert">
          {failure}
        </p>
      )}
    </section>
  );
};
