import styles from './page.module.css';
import { useTitle } from './use-title.ts';

/** A page with a heading. */
export const Page = ({ title, children }: { readonly title: string; readonly children: React.ReactNode }) => {
  useTitle(title);
  return (
    <div className={styles.page}>
      <h1>{title}</h1>
      {children}
    </div>
  );
};
