import { useEffect, useRef, useState } from 'react';
import { keep, kept } from '../live/kept.ts';
import { outbox } from '../live/server.ts';
import { Button } from '../parts/button.tsx';
import { ArrowUp, ListPlus, Square } from '../parts/icons.ts';
import styles from './composer.module.css';
import { useWorker } from './worker-context.ts';

const draftName = (runtimeId: string, workerId: string): string => `draft.${runtimeId}/${workerId}`;

const Failure = ({ reason }: { readonly reason: string | null }) =>
  reason === null ? null : (
    <span className={styles.failure} role="alert">
      {reason}
    </span>
  );

const CancelButton = () => {
  const { runtime, workerId, worker } = useWorker();
  const [asked, setAsked] = useState<string | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const run = worker?.run ?? null;
  if (run === null) return null;
  return (
    <>
      <Failure reason={failure} />
      <Button
        className={styles.cancel}
        disabled={asked === run.runId}
        onClick={() => {
          setAsked(run.runId);
          setFailure(null);
          runtime.api.cancelRun(workerId, { runId: run.runId }).catch((error: Error) => {
            setAsked(null);
            setFailure(error.message);
          });
        }}
      >
        <Square size={14} fill="currentColor" aria-hidden />
        {asked === run.runId ? 'Cancelling…' : 'Cancel run'}
      </Button>
    </>
  );
};

const ResumeButton = () => {
  const { runtime, workerId } = useWorker();
  const [isAsked, setIsAsked] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  return (
    <>
      <Failure reason={failure} />
      <Button
        tone="primary"
        disabled={isAsked}
        onClick={() => {
          setIsAsked(true);
          setFailure(null);
          runtime.api
            .resumeWorker(workerId)
            .catch((error: Error) => setFailure(error.message))
            .finally(() => setIsAsked(false));
        }}
      >
        Resume
      </Button>
    </>
  );
};

/** Where a person writes to a Worker. A draft stays until it is sent; while a run is active, inputs are queued. */
export const Composer = ({ onSent }: { readonly onSent: () => void }) => {
  const { runtime, workerId, worker } = useWorker();
  const draft = draftName(runtime.runtimeId, workerId);
  const [text, setText] = useState(() => kept(draft) ?? '');
  const field = useRef<HTMLTextAreaElement>(null);
  const isBusy = worker !== null && worker.run !== null;
  const isStopped = worker?.status === 'stopped';
  const isDamaged = worker?.health === 'damaged';

  useEffect(() => {
    setText(kept(draft) ?? '');
    // a touch screen would show its keyboard
    if (matchMedia('(hover: hover)').matches) field.current?.focus({ preventScroll: true });
  }, [draft]);

  const write = (next: string): void => {
    setText(next);
    keep(draft, next === '' ? null : next);
  };

  const send = (): void => {
    // the value of the field and not of the last render, so that a second click finds nothing to send
    const said = field.current?.value ?? '';
    if (said.trim() === '') return;
    if (field.current) field.current.value = '';
    write('');
    outbox.send(runtime.runtimeId, workerId, said);
    onSent();
    field.current?.focus();
  };

  if (isStopped)
    return (
      <div className={styles.composer}>
        <div className={styles.stopped}>
          <p>This Worker is stopped and takes no inputs.</p>
          <ResumeButton />
        </div>
      </div>
    );
  return (
    <form
      className={styles.composer}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div className={styles.box}>
        <textarea
          ref={field}
          rows={1}
          value={text}
          disabled={isDamaged}
          placeholder={isBusy ? 'Write the next input' : 'Write to this Worker'}
          aria-label="Input"
          onChange={({ target }) => write(target.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
        <div className={styles.bar}>
          <span className={styles.hint}>
            {isBusy
              ? `Enter queues it${worker.queued > 0 ? `, after ${worker.queued} more` : ''}`
              : 'Enter sends, Shift+Enter adds a line'}
          </span>
          <CancelButton />
          <Button
            type="submit"
            tone="primary"
            disabled={text.trim() === ''}
            aria-label={isBusy ? 'Queue' : 'Send'}
          >
            {isBusy ? <ListPlus size={16} aria-hidden /> : <ArrowUp size={16} aria-hidden />}
            {isBusy ? 'Queue' : 'Send'}
          </Button>
        </div>
      </div>
    </form>
  );
};
