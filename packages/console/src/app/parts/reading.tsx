import styles from './reading.module.css';

/** Says that content is being read. It shows after a second: most content is there before. */
export const Reading = () => (
  <p className={styles.reading} role="status" data-reading>
    Reading…
  </p>
);
