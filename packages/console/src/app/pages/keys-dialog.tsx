import { Dialog } from '../parts/dialog.tsx';
import styles from './keys-dialog.module.css';

const KEYS: readonly (readonly [where: string, keys: readonly (readonly [keys: string, what: string])[]])[] =
  [
    [
      'Everywhere',
      [
        ['Ctrl K', 'go to a Worker or a page'],
        ['g w', 'Workers'],
        ['g i', 'Inbox'],
        ['g r', 'Runtimes'],
        ['g u', 'Usage'],
        ['g a', 'Account'],
        ['?', 'these keys'],
      ],
    ],
    [
      'Workers',
      [
        ['/', 'find'],
        ['j  k', 'next, previous'],
        ['Enter', 'open'],
        ['x', 'select'],
        ['c', 'cancel the run'],
        ['n', 'new Worker'],
      ],
    ],
    [
      'Inbox',
      [
        ['j  k', 'next, previous'],
        ['a', 'first answer'],
        ['d', 'refuse'],
        ['Enter', 'open the Worker'],
      ],
    ],
    [
      'A Worker',
      [
        ['Enter', 'send or queue'],
        ['Shift Enter', 'another line'],
      ],
    ],
  ];

export const KeysDialog = ({ onClose }: { readonly onClose: () => void }) => (
  <Dialog title="Keys" onClose={onClose}>
    <div className={styles.groups}>
      {KEYS.map(([where, keys]) => (
        <section key={where}>
          <h3>{where}</h3>
          <dl>
            {keys.map(([key, what]) => (
              <div key={key}>
                <dt>
                  {key.split(/\s+/).map((one) => (
                    <kbd key={one}>{one}</kbd>
                  ))}
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  </Dialog>
);
