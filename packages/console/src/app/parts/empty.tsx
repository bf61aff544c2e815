import styles from './empty.module.css';

/** What a page shows in place of content, with what to do next. */
export const Empty = ({
  title,
  icon,
  isPage = false,
  children,
}: {
  readonly title: string;
  readonly icon?: React.ReactNode;
  /** True if the page has no other title. */
  readonly isPage?: boolean;
  readonly children?: React.ReactNode;
}) => (
  <div className={styles.empty}>
    {icon !== undefined && <div className={styles.icon}>{icon}</div>}
    {isPage ? <h1>{title}</h1> : <h2>{title}</h2>}
    {children}
  </div>
);
