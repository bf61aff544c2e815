import type { ConnectedRuntime } from '../live/backend.ts';
import type { LinkState } from '../live/link.ts';
import { backend } from '../live/server.ts';
import { Source, useSource } from '../live/source.ts';
import styles from './connection.module.css';

export interface Connected {
  readonly runtime: ConnectedRuntime;
  readonly link: LinkState;
}

/** The connections to all runtimes. */
class Links extends Source<readonly Connected[]> {
  readonly #followed = new Map<ConnectedRuntime['link'], () => void>();

  constructor() {
    super();
    backend.subscribe(() => this.#follow());
  }

  protected override take(): readonly Connected[] {
    return backend.get().items.map((runtime) => ({ runtime, link: runtime.link.get() }));
  }

  #follow(): void {
    const present = new Set(backend.get().items.map(({ link }) => link));
    for (const link of present)
      if (!this.#followed.has(link))
        this.#followed.set(
          link,
          link.subscribe(() => this.changed()),
        );
    for (const [link, leave] of this.#followed) {
      if (present.has(link)) continue;
      leave();
      this.#followed.delete(link);
    }
    this.changed();
  }
}

export const links = new Links();

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

const textOf = (
  all: readonly Connected[],
  isLoaded: boolean,
): { readonly tone: string; readonly text: string } => {
  if (!isLoaded || all.length === 0) return { tone: 'connecting', text: 'Connecting' };
  const lost = all.filter(({ link }) => link.status === 'lost');
  const [first] = lost;
  if (first !== undefined) {
    const since = clock.format(first.link.since);
    if (all.length === 1) return { tone: 'lost', text: `Not connected since ${since}` };
    const others = lost.length > 1 ? ` and ${lost.length - 1} more` : '';
    return { tone: 'lost', text: `${first.runtime.name}${others} not connected since ${since}` };
  }
  if (all.some(({ link }) => link.status === 'connecting')) return { tone: 'connecting', text: 'Connecting' };
  return { tone: 'live', text: all.length === 1 ? 'Live' : `Live · ${all.length} runtimes` };
};

/** States whether the page shows the present. */
export const Connection = () => {
  const { isLoaded } = useSource(backend);
  const { tone, text } = textOf(useSource(links), isLoaded);
  return (
    <p className={`${styles.connection} ${styles[tone]}`} role="status" data-connection={tone}>
      <svg viewBox="0 0 12 12" width="10" height="10" aria-hidden>
        {tone === 'live' ? (
          <circle cx="6" cy="6" r="5" />
        ) : (
          <path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
        )}
      </svg>
      <span>{text}</span>
    </p>
  );
};
