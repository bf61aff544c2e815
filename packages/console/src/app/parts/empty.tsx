import styles from './empty.module.css';

/** What a page shows in place of content, with what to do next. */
export const Empty = ({
  title,
  icon,
  children,
}: {
  readonly title: string;
  readonly icon?: React.ReactNode;
  readonly children?: React.ReactNode;
}) => (
  <div className={styles.empty}>
    {icon !== undefined && <div className={styles.icon}>{icon}</div>}
    <h2>{title}</h2>
    {children}
  </div>
);
