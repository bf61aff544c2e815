import { useEffect, useState } from 'react';
import { type ApiToken, type OpenSession, type Session, workspaceUrl } from '../live/account.ts';
import { account } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { announce } from '../parts/announce.ts';
import { Button } from '../parts/button.tsx';
import { CodeSample } from '../parts/copyable.tsx';
import { Empty } from '../parts/empty.tsx';
import field from '../parts/field.module.css';
import { Page } from '../parts/page.tsx';
import { Moment } from '../parts/time.tsx';
import styles from './account-page.module.css';

/** What an API token may do, the least first. */
const PERMISSIONS = ['observe', 'answer', 'operate', 'admin'] as const;
const DAY_MS = 86_400_000;
const LIVES_DAYS = [30, 90, 365] as const;

const Facts = ({ session, permissions }: { readonly session: Session; readonly permissions: string }) => (
  <dl className={styles.facts}>
    <div>
      <dt>Name</dt>
      <dd>{session.name}</dd>
    </div>
    <div>
      <dt>Groups</dt>
      <dd>{session.groups.join(', ') || 'none'}</dd>
    </div>
    <div>
      <dt>May here</dt>
      <dd>{permissions}</dd>
    </div>
    <div>
      <dt>Logged in</dt>
      <dd>
        <Moment of={session.createdAt} />
        {session.expiresAt !== null && (
          <>
            {' '}
            until <Moment of={session.expiresAt} />
          </>
        )}
      </dd>
    </div>
  </dl>
);

const TokenForm = ({ onCreated }: { readonly onCreated: () => void }) => {
  const [failure, setFailure] = useState<string | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const create = (form: HTMLFormElement): void => {
    const fields = new FormData(form);
    const text = (name: string): string => {
      const value = fields.get(name);
      return typeof value === 'string' ? value : '';
    };
    const days = Number(text('days'));
    setFailure(null);
    account
      .createToken({
        name: text('name'),
        permission: text('permission'),
        ...(days > 0 && { expiresAt: new Date(Date.now() + days * DAY_MS).toISOString() }),
      })
      .then(
        (token) => {
          setSecret(token);
          announce('The token is created');
          form.reset();
          onCreated();
        },
        (error: Error) => setFailure(error.message),
      );
  };
  return (
    <>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          create(event.currentTarget);
        }}
      >
        <label className={field.field}>
          <span>Name</span>
          <input name="name" required autoComplete="off" pattern="[A-Za-z0-9][A-Za-z0-9._@\-]{0,63}" />
        </label>
        <label className={field.field}>
          <span>May</span>
          <select name="permission" defaultValue="operate">
            {PERMISSIONS.map((permission) => (
              <option key={permission}>{permission}</option>
            ))}
          </select>
        </label>
        <label className={field.field}>
          <span>Valid for</span>
          <select name="days" defaultValue="90">
            {LIVES_DAYS.map((days) => (
              <option key={days} value={days}>
                {days} days
              </option>
            ))}
            <option value="0">ever</option>
          </select>
        </label>
        <Button type="submit" tone="primary">
          Create token
        </Button>
      </form>
      {failure !== null && (
        <p className={styles.failure} role="alert">
          {failure}
        </p>
      )}
      {secret !== null && (
        <div data-secret>
          <CodeSample title="The new token. Nobody can see it again" code={secret} />
        </div>
      )}
    </>
  );
};

const Tokens = () => {
  const [tokens, setTokens] = useState<readonly ApiToken[] | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const read = (): void => {
    account.tokens().then(
      (items) => {
        setTokens(items);
        setFailure(null);
      },
      (error: Error) => setFailure(error.message),
    );
  };
  useEffect(read, []);
  return (
    <section className={styles.section} aria-label="API tokens">
      <h2>API tokens</h2>
      <p className={styles.quiet}>For programs: a token may do the part of what you may do that it names.</p>
      {failure !== null && (
        <p className={styles.failure} role="alert">
          {failure}
        </p>
      )}
      <ul className={styles.tokens}>
        {tokens?.map((token) => (
          <li key={token.id} data-token={token.name}>
            <b>{token.name}</b>
            <span>
              {token.permissions.join(', ')} · used <Moment of={token.usedAt} />
              {token.expiresAt !== null && (
                <>
                  {' '}
                  · until <Moment of={token.expiresAt} />
                </>
              )}
            </span>
            <Button
              tone="danger"
              aria-label={`Delete the token ${token.name}`}
              onClick={() =>
                void account.deleteToken(token).then(
                  () => {
                    announce(`The token ${token.name} is deleted`);
                    read();
                  },
                  (error: Error) => setFailure(error.message),
                )
              }
            >
              Delete
            </Button>
          </li>
        ))}
      </ul>
      <TokenForm onCreated={read} />
    </section>
  );
};

/** The sessions of the person. The one of this page ends by logging out. */
const Sessions = () => {
  const [sessions, setSessions] = useState<readonly OpenSession[] | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const read = (): void => {
    account.sessions().then(
      (items) => {
        setSessions(items);
        setFailure(null);
      },
      (error: Error) => setFailure(error.message),
    );
  };
  const then = (ended: Promise<void>): void =>
    void ended.then(
      () => {
        announce('The session is ended');
        read();
      },
      (error: Error) => setFailure(error.message),
    );
  useEffect(read, []);
  const others = sessions?.filter(({ isCurrent }) => !isCurrent) ?? [];
  return (
    <section className={styles.section} aria-label="Sessions">
      <h2>Sessions</h2>
      <p className={styles.quiet}>
        The browsers in which you are logged in. A session ends after 12 hours without use.
      </p>
      {failure !== null && (
        <p className={styles.failure} role="alert">
          {failure}
        </p>
      )}
      <ul className={styles.tokens}>
        {sessions?.map((session) => (
          <li key={session.id} data-session={session.isCurrent ? 'current' : 'other'}>
            <b>{session.isCurrent ? 'This browser' : 'Another browser'}</b>
            <span>
              logged in <Moment of={session.createdAt} /> · used <Moment of={session.usedAt} />
            </span>
            {!session.isCurrent && (
              <Button
                tone="danger"
                aria-label={`End the session of ${session.createdAt}`}
                onClick={() => then(account.endSession(session))}
              >
                End
              </Button>
            )}
          </li>
        ))}
      </ul>
      {others.length > 1 && (
        <Button tone="danger" onClick={() => then(account.endOtherSessions())}>
          End all other sessions
        </Button>
      )}
    </section>
  );
};

/** Who looks at the page, what that person may do, and the tokens of the person's programs. */
export const AccountPage = () => {
  const { session, workspaces, grant } = useSource(account);
  const [failure, setFailure] = useState<string | null>(null);
  if (session === null)
    return (
      <Empty title="Nobody is logged in" isPage>
        <p>This server knows no people: whoever reaches it may do everything.</p>
      </Empty>
    );
  return (
    <Page title="Account">
      <Facts session={session} permissions={grant?.permissions.join(', ') ?? 'nothing'} />
      <Button onClick={() => void account.logOut().catch((error: Error) => setFailure(error.message))}>
        Log out
      </Button>
      {failure !== null && (
        <p className={styles.failure} role="alert">
          {failure}
        </p>
      )}
      {workspaces.length > 1 && (
        <section className={styles.section} aria-label="Workspaces">
          <h2>Workspaces</h2>
          <ul className={styles.workspaces}>
            {workspaces.map((workspace) => (
              <li key={workspace.id}>
                <a
                  href={workspaceUrl(workspace)}
                  aria-current={workspace.id === grant?.workspace.id ? 'page' : undefined}
                >
                  {workspace.name}
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
      <Sessions />
      <Tokens />
    </Page>
  );
};
