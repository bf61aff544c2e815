import { Link, useNavigate } from '@tanstack/react-router';
import type { RuntimeClient } from '@worker-runtime/client';
import type { WorkerSummary } from '@worker-runtime/core';
import { useId, useRef, useState } from 'react';
import { announce } from '../parts/announce.ts';
import { Button, buttonClass } from '../parts/button.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { Ellipsis } from '../parts/icons.ts';
import { nameOf } from './worker-list.ts';
import styles from './worker-menu.module.css';

/** Reads labels as people write them: one `name=value` a line. */
const labelsOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text
      .split(/\n|,/)
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .map((line) => {
        const [name = '', ...value] = line.split('=');
        return [name.trim(), value.join('=').trim()];
      }),
  );

type Form = 'change' | 'stop' | 'delete';

interface MenuProps {
  readonly worker: WorkerSummary;
  readonly api: RuntimeClient;
}

const ChangeForm = ({ worker, api, onDone }: MenuProps & { readonly onDone: () => void }) => {
  const [name, setName] = useState(worker.displayName ?? '');
  const [labels, setLabels] = useState(
    Object.entries(worker.labels)
      .map((pair) => pair.join('='))
      .join('\n'),
  );
  return (
    <ActionForm
      title="Change the Worker"
      action="Save"
      onAct={() =>
        api.updateWorker(worker.workerId, {
          displayName: name === '' ? null : name,
          labels: labelsOf(labels),
        })
      }
      onDone={onDone}
    >
      <label>
        Name
        <input value={name} onChange={({ target }) => setName(target.value)} />
      </label>
      <label>
        Labels, one <code>name=value</code> a line
        <textarea rows={4} value={labels} onChange={({ target }) => setLabels(target.value)} />
      </label>
    </ActionForm>
  );
};

const ActionForm = ({
  title,
  action,
  tone = 'primary',
  isAllowed = true,
  onAct,
  onDone,
  children,
}: {
  readonly title: string;
  readonly action: string;
  readonly tone?: 'primary' | 'danger';
  readonly isAllowed?: boolean;
  readonly onAct: () => Promise<unknown>;
  readonly onDone: () => void;
  readonly children: React.ReactNode;
}) => {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const act = async (): Promise<void> => {
    setBusy(true);
    try {
      await onAct();
      announce(`${action}: done`);
      onDone();
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onDone}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          void act();
        }}
      >
        {children}
        {failure !== null && (
          <p className={styles.failure} role="alert">
            {failure}
          </p>
        )}
        <div className={styles.buttons}>
          <Button onClick={onDone}>Keep as it is</Button>
          <Button type="submit" tone={tone} disabled={isBusy || !isAllowed}>
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
};

const DeleteForm = ({ worker, api, onDone }: MenuProps & { readonly onDone: () => void }) => {
  const [typed, setTyped] = useState('');
  const navigate = useNavigate();
  return (
    <ActionForm
      title={`Delete ${nameOf(worker)}?`}
      action="Delete the Worker and its log"
      tone="danger"
      isAllowed={typed === worker.workerId}
      onAct={async () => {
        await api.deleteWorker(worker.workerId);
        await navigate({ to: '/workers' });
      }}
      onDone={onDone}
    >
      <p>Its whole log is removed and cannot be restored.</p>
      <label>
        To confirm, type <code>{worker.workerId}</code>
        <input value={typed} onChange={({ target }) => setTyped(target.value)} autoComplete="off" />
      </label>
    </ActionForm>
  );
};

/** What is done to a Worker now and then. To cancel its run is not here, but beside the input. */
export const WorkerMenu = ({ worker, api }: MenuProps) => {
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const [form, setForm] = useState<Form | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const isStopped = worker.status === 'stopped';
  const open = (next: Form): void => {
    menu.current?.hidePopover();
    setForm(next);
  };
  const close = (): void => setForm(null);
  return (
    <div className={styles.anchor}>
      <button
        type="button"
        className={buttonClass({ tone: 'quiet', isIcon: true })}
        popoverTarget={id}
        aria-label="More actions"
      >
        <Ellipsis size={18} aria-hidden />
      </button>
      <div id={id} ref={menu} popover="auto" className={styles.menu}>
        <button type="button" onClick={() => open('change')}>
          Name and labels…
        </button>
        <Link to="/workers/new" search={{ like: worker.workerId, runtime: worker.runtimeId }}>
          New Worker like this
        </Link>
        {isStopped ? (
          <button
            type="button"
            onClick={() => {
              menu.current?.hidePopover();
              void api.resumeWorker(worker.workerId).then(
                () => announce(`Resumed ${nameOf(worker)}`),
                (error: Error) => setFailure(error.message),
              );
            }}
          >
            Resume
          </button>
        ) : (
          <button type="button" onClick={() => open('stop')}>
            Stop…
          </button>
        )}
        <button
          type="button"
          className={styles.danger}
          disabled={!isStopped}
          title={isStopped ? '' : 'Stop the Worker first'}
          onClick={() => open('delete')}
        >
          Delete…
        </button>
      </div>
      {failure !== null && (
        <Dialog title="The Worker was not resumed" onClose={() => setFailure(null)}>
          <p>{failure}</p>
        </Dialog>
      )}
      {form === 'change' && <ChangeForm worker={worker} api={api} onDone={close} />}
      {form === 'stop' && (
        <ActionForm
          title={`Stop ${nameOf(worker)}?`}
          action="Stop the Worker"
          tone="danger"
          onAct={() => api.stopWorker(worker.workerId)}
          onDone={close}
        >
          <p>
            Its run ends as cancelled, and it takes no inputs until it is resumed. Its log stays readable.
          </p>
        </ActionForm>
      )}
      {form === 'delete' && <DeleteForm worker={worker} api={api} onDone={close} />}
    </div>
  );
};
