import { CONDITION_WORDS, type Condition } from './condition.ts';
import styles from './status.module.css';

/** Each status has a shape of its own, so that it does not depend on colour. */
const SHAPES: Readonly<Record<Condition, React.ReactNode>> = {
  waiting: <path d="M8 1.5 14.5 8 8 14.5 1.5 8Z" />,
  running: (
    <>
      <circle className={styles.track} cx="8" cy="8" r="5.5" />
      <path className={styles.turning} d="M8 2.5A5.5 5.5 0 0 1 13.5 8" />
    </>
  ),
  idle: <circle className={styles.ring} cx="8" cy="8" r="5" />,
  stopped: <rect x="3" y="3" width="10" height="10" rx="2" />,
  damaged: <path d="M8 1.5 15 14H1Z" />,
};

/** The shape of a status. The word is beside it, or is its name for screen readers. */
export const StatusMark = ({
  condition,
  isNamed = false,
}: {
  readonly condition: Condition;
  readonly isNamed?: boolean;
}) => (
  <svg
    className={`${styles.mark} ${styles[condition]}`}
    viewBox="0 0 16 16"
    role={isNamed ? 'img' : undefined}
    aria-hidden={!isNamed}
  >
    <title>{CONDITION_WORDS[condition]}</title>
    {SHAPES[condition]}
  </svg>
);

export const Status = ({ condition }: { readonly condition: Condition }) => (
  <span className={`${styles.status} ${styles[condition]}`}>
    <StatusMark condition={condition} />
    {CONDITION_WORDS[condition]}
  </span>
);
