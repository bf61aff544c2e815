import { backend } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import styles from './absent-runtimes.module.css';
import { type Connected, links } from './connection.tsx';

const isAbsent = ({ runtime, link }: Connected): boolean =>
  link.status === 'lost' || runtime.entry.state !== 'ok';

/** Names the runtimes of which a page of several cannot show the present. */
export const AbsentRuntimes = () => {
  const all = useSource(links);
  const { unknown } = useSource(backend);
  // the connection of the only runtime is stated beside every page
  if (all.length + unknown.length < 2) return null;
  const names = [
    ...all.filter(isAbsent).map(({ runtime }) => runtime.name),
    ...unknown.map(({ name }) => name),
  ];
  if (names.length === 0) return null;
  return (
    <p className={styles.absent} role="status" data-absent={names.join(' ')}>
      {names.join(', ')} {names.length === 1 ? 'does' : 'do'} not answer. What is shown of{' '}
      {names.length === 1 ? 'it' : 'them'} may be old or missing.
    </p>
  );
};
