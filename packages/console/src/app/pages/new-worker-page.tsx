import { useNavigate, useSearch } from '@tanstack/react-router';
import { RemoteError } from '@worker-runtime/client';
import type { Claim, CreateWorker, JsonObject } from '@worker-runtime/core';
import { useEffect, useMemo, useRef, useState } from 'react';
import { randomKey } from '../live/random-key.ts';
import { account, backend } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { Button } from '../parts/button.tsx';
import { CodeSample } from '../parts/copyable.tsx';
import fieldStyles from '../parts/field.module.css';
import { Page } from '../parts/page.tsx';
import { fieldsOf, SchemaFields } from '../parts/schema-fields.tsx';
import { asCurl, asTypeScript } from './code-samples.ts';
import styles from './new-worker-page.module.css';

interface Draft {
  readonly engine: string;
  readonly workerId: string;
  readonly displayName: string;
  readonly labels: string;
  readonly tools: readonly string[];
  readonly config: string;
  readonly claims: string;
  readonly continues: boolean;
  readonly input: string;
}

const EMPTY: Draft = {
  engine: '',
  workerId: '',
  displayName: '',
  labels: '',
  tools: [],
  config: '',
  claims: '',
  continues: false,
  input: '',
};

/** A fault of one field. The pointer is that of the request (RFC 6901). */
interface Fault {
  readonly pointer: string;
  readonly message: string;
}

const labelsOf = (text: string): Readonly<Record<string, string>> | undefined => {
  const pairs = text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line): readonly [string, string] => {
      const at = line.indexOf('=');
      return at === -1 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    });
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined;
};

const jsonIn = <T,>(text: string, pointer: string): T | undefined => {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw { pointer, message: 'is not valid JSON' } satisfies Fault;
  }
};

/** Returns the request that the form describes. @throws a Fault */
const requestOf = (draft: Draft): CreateWorker => {
  const { engine, workerId, displayName, tools, continues, input } = draft;
  const labels = labelsOf(draft.labels);
  const config = jsonIn<JsonObject>(draft.config, '/config');
  const claims = jsonIn<readonly Claim[]>(draft.claims, '/claims');
  return {
    engine,
    ...(workerId !== '' && { workerId }),
    ...(displayName !== '' && { displayName }),
    ...(labels && { labels }),
    ...(tools.length > 0 && { tools }),
    ...(config && { config }),
    ...(claims && { claims }),
    ...(continues && { whenInterrupted: 'continue' as const }),
    ...(input.trim() !== '' && { initialInput: { text: input } }),
  };
};

/** Returns the request as a call, with each key in a line. */
const callOf = (request: CreateWorker): string =>
  `await runtime.createWorker(${JSON.stringify(request, null, 2).replace(/"([A-Za-z]\w*)":/g, '$1:')});`;

const Field = ({
  name,
  hint,
  pointer,
  faults,
  children,
}: {
  readonly name: string;
  readonly hint?: string;
  readonly pointer: string;
  readonly faults: readonly Fault[];
  readonly children: React.ReactNode;
}) => {
  const own = faults.filter((fault) => fault.pointer === pointer || fault.pointer.startsWith(`${pointer}/`));
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is among the children
    <label className={fieldStyles.field} data-invalid={own.length > 0}>
      <span>
        {name}
        {hint !== undefined && <small>{hint}</small>}
      </span>
      {children}
      {own.map(({ message }) => (
        <em key={message} role="alert">
          {message}
        </em>
      ))}
    </label>
  );
};

const faultsOf = (error: unknown): readonly Fault[] => {
  if (!(error instanceof RemoteError)) {
    if (typeof error === 'object' && error !== null && 'pointer' in error) return [error as Fault];
    return [{ pointer: '', message: error instanceof Error ? error.message : String(error) }];
  }
  const { code, details, message } = error;
  if (details.issues) return details.issues;
  if (typeof details.pointer === 'string') return [{ pointer: details.pointer, message }];
  const pointers: Readonly<Record<string, string>> = {
    WORKER_EXISTS: '/workerId',
    ENGINE_UNKNOWN: '/engine',
    ENGINE_UNAVAILABLE: '/engine',
    TOOL_UNKNOWN: '/tools',
    CONFIG_UNSUPPORTED: '/config',
    CLAIM_CONFLICT: '/claims',
  };
  return [{ pointer: pointers[code] ?? '', message: `${message} (${code})` }];
};

const SHOWN_POINTERS = [
  '/engine',
  '/workerId',
  '/displayName',
  '/labels',
  '/tools',
  '/config',
  '/claims',
  '/initialInput',
];

/** A form for a creation, and the same creation as a command and as a program. */
export const NewWorkerPage = () => {
  const { like, runtime: asked } = useSearch({ from: '/workers/new' });
  const { items } = useSource(backend);
  const hasLogin = useSource(account).session !== null;
  const able = items.filter(({ entry }) => (entry.summary?.engines.length ?? 0) > 0);
  const [runtimeId, setRuntimeId] = useState(asked ?? '');
  const runtime = able.find((one) => one.runtimeId === runtimeId) ?? able[0];
  const [draft, setDraft] = useState(EMPTY);
  const [faults, setFaults] = useState<readonly Fault[]>([]);
  const [isBusy, setBusy] = useState(false);
  const navigate = useNavigate();
  // a retry after a lost answer must not create a second Worker
  const key = useRef(randomKey());
  const engines = runtime?.entry.summary?.engines ?? [];
  const engine = engines.find(({ name }) => name === draft.engine) ?? engines[0];
  const { tools = [], access = {}, continues = false } = engine?.capabilities ?? {};
  const configSchema = engine?.configSchema ?? null;
  const config = useMemo(() => {
    try {
      return jsonIn<JsonObject>(draft.config, '/config') ?? {};
    } catch {
      return null;
    }
  }, [draft.config]);
  const reaches = Object.entries(access).flatMap(([kind, has]) => (has ? kind : []));

  const api = runtime?.api;
  useEffect(() => {
    if (like === undefined || api === undefined) return;
    void api.getWorker(like).then(
      ({ engine: of, labels, tools: granted, whenInterrupted }) =>
        setDraft((before) => ({
          ...before,
          engine: of,
          labels: Object.entries(labels)
            .map((pair) => pair.join('='))
            .join('\n'),
          tools: granted,
          continues: whenInterrupted === 'continue',
        })),
      () => {
        // the Worker is gone: the form stays empty
      },
    );
  }, [like, api]);

  const change = (part: Partial<Draft>): void => {
    key.current = randomKey();
    setFaults([]);
    setDraft((before) => ({ ...before, ...part }));
  };
  const current = useMemo(() => ({ ...draft, engine: engine?.name ?? '' }), [draft, engine?.name]);
  const request = useMemo(() => {
    try {
      return requestOf(current);
    } catch {
      return null;
    }
  }, [current]);

  const create = async (): Promise<void> => {
    if (runtime === undefined) return;
    setBusy(true);
    try {
      const { worker } = await runtime.api.createWorker(requestOf(current), { idempotencyKey: key.current });
      await navigate({
        to: '/runtimes/$r/workers/$w',
        params: { r: worker.runtimeId, w: worker.workerId },
      });
    } catch (error) {
      setFaults(faultsOf(error));
    } finally {
      setBusy(false);
    }
  };

  const others = faults.filter(({ pointer }) => !SHOWN_POINTERS.some((shown) => pointer.startsWith(shown)));
  return (
    <Page title="New Worker">
      <div className={styles.columns}>
        <form
          className={styles.form}
          onSubmit={(event) => {
            event.preventDefault();
            void create();
          }}
        >
          {able.length > 1 && (
            <Field name="Runtime" pointer="/runtime" faults={faults}>
              <select value={runtime?.runtimeId} onChange={({ target }) => setRuntimeId(target.value)}>
                {able.map((one) => (
                  <option key={one.runtimeId} value={one.runtimeId}>
                    {one.name}
                  </option>
                ))}
              </select>
            </Field>
          )}
          <Field name="Engine" pointer="/engine" faults={faults}>
            <select
              value={engine?.name ?? ''}
              onChange={({ target }) => change({ engine: target.value, tools: [], config: '' })}
            >
              {engines.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </Field>
          {reaches.length > 0 && (
            <p className={styles.access}>Runs of this engine can reach: {reaches.join(', ')}.</p>
          )}
          <Field name="Name" hint="for people" pointer="/displayName" faults={faults}>
            <input
              value={draft.displayName}
              onChange={({ target }) => change({ displayName: target.value })}
            />
          </Field>
          <Field name="Id" hint="generated if empty, and final" pointer="/workerId" faults={faults}>
            <input
              value={draft.workerId}
              autoComplete="off"
              spellCheck={false}
              onChange={({ target }) => change({ workerId: target.value })}
            />
          </Field>
          {tools.length > 0 && (
            <fieldset className={styles.tools}>
              <legend>
                Tools <small>none is granted unless you tick it</small>
              </legend>
              {tools.map((tool) => (
                <label key={tool}>
                  <input
                    type="checkbox"
                    checked={draft.tools.includes(tool)}
                    onChange={({ target }) =>
                      change({
                        tools: target.checked
                          ? [...draft.tools, tool]
                          : draft.tools.filter((granted) => granted !== tool),
                      })
                    }
                  />
                  <code>{tool}</code>
                </label>
              ))}
              {faults
                .filter(({ pointer }) => pointer.startsWith('/tools'))
                .map(({ message }) => (
                  <em key={message} role="alert">
                    {message}
                  </em>
                ))}
            </fieldset>
          )}
          <Field name="Labels" hint="one name=value a line" pointer="/labels" faults={faults}>
            <textarea
              rows={2}
              value={draft.labels}
              onChange={({ target }) => change({ labels: target.value })}
            />
          </Field>
          <Field
            name="First input"
            hint="accepted together with the creation"
            pointer="/initialInput"
            faults={faults}
          >
            <textarea
              rows={3}
              value={draft.input}
              onChange={({ target }) => change({ input: target.value })}
            />
          </Field>
          {configSchema !== null && fieldsOf(configSchema).length > 0 && config !== null ? (
            <fieldset className={styles.config}>
              <legend>
                Config of the engine <small>private</small>
              </legend>
              <SchemaFields
                key={engine?.name}
                schema={configSchema}
                value={config}
                pointer="/config"
                faults={faults}
                onChange={(next) =>
                  change({ config: Object.keys(next).length === 0 ? '' : JSON.stringify(next, null, 2) })
                }
              />
              {faults
                .filter(({ pointer }) => pointer === '/config')
                .map(({ message }) => (
                  <em key={message} role="alert">
                    {message}
                  </em>
                ))}
            </fieldset>
          ) : (
            <Field name="Config of the engine" hint="JSON, private" pointer="/config" faults={faults}>
              <textarea
                rows={3}
                spellCheck={false}
                value={draft.config}
                placeholder="{ }"
                onChange={({ target }) => change({ config: target.value })}
              />
            </Field>
          )}
          <details className={styles.more} open={faults.some(({ pointer }) => pointer.startsWith('/claims'))}>
            <summary>More</summary>
            {continues && (
              <label className={styles.tick}>
                <input
                  type="checkbox"
                  checked={draft.continues}
                  onChange={({ target }) => change({ continues: target.checked })}
                />
                Continue a run that a restart interrupts
              </label>
            )}
            <Field
              name="Claims"
              hint="JSON: resources that no other Worker may write"
              pointer="/claims"
              faults={faults}
            >
              <textarea
                rows={3}
                spellCheck={false}
                value={draft.claims}
                placeholder='[{ "name": "checkout", "resource": "fs:/srv/repo", "mode": "write" }]'
                onChange={({ target }) => change({ claims: target.value })}
              />
            </Field>
          </details>
          {others.map(({ pointer, message }) => (
            <p key={pointer + message} className={styles.failure} role="alert">
              {pointer} {message}
            </p>
          ))}
          <Button type="submit" tone="primary" disabled={isBusy || engine === undefined}>
            {isBusy ? 'Creating…' : 'Create the Worker'}
          </Button>
          {items.length > 0 && engine === undefined && (
            <p className={styles.failure}>No runtime has an engine, so none can create a Worker.</p>
          )}
        </form>
        {request !== null && runtime !== undefined && (
          <aside className={styles.same} aria-label="The same as code">
            <CodeSample
              title="The same with curl"
              code={asCurl(`v1/runtimes/${runtime.runtimeId}/workers`, request, hasLogin)}
            />
            <CodeSample
              title="The same in TypeScript"
              code={asTypeScript(runtime.runtimeId, [callOf(request)], hasLogin)}
            />
          </aside>
        )}
      </div>
    </Page>
  );
};
