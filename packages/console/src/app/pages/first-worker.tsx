import { Link } from '@tanstack/react-router';
import type { ConnectedRuntime } from '../live/backend.ts';
import { account } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { buttonClass } from '../parts/button.tsx';
import { CodeSample } from '../parts/copyable.tsx';
import { Empty } from '../parts/empty.tsx';
import { Boxes } from '../parts/icons.ts';
import { asCommand, asCurl, asTypeScript } from './code-samples.ts';

/** Teaches the three ways to make a Worker, with commands that work here. */
export const FirstWorker = ({ runtime }: { readonly runtime: ConnectedRuntime | undefined }) => {
  const engine = runtime?.entry.summary?.engines[0]?.name ?? 'echo';
  const hasLogin = useSource(account).session !== null;
  const worker = { engine, workerId: 'ada' };
  return (
    <Empty title="No Workers yet" icon={<Boxes size={24} aria-hidden />}>
      <p>
        A Worker is one long-lived agent with its own log. Make the first one here, from a terminal, or from a
        program. It appears on this page at once.
      </p>
      <Link to="/workers/new" className={buttonClass({ tone: 'primary' })}>
        New Worker
      </Link>
      {runtime?.entry.summary?.engines.length === 0 && (
        <p>
          This runtime has no engine yet. Start it with one, for example with <code>--plugin echo</code>.
        </p>
      )}
      <CodeSample
        title="Terminal"
        code={`${asCurl('v1/runtimes/self/workers', worker, hasLogin)}\n${asCommand("send ada 'hello there' --wait")}`}
      />
      <CodeSample
        title="TypeScript"
        code={asTypeScript(
          null,
          [
            `await runtime.createWorker({ engine: '${engine}', workerId: 'ada' });`,
            "await runtime.sendInput('ada', { text: 'hello there' });",
          ],
          hasLogin,
        )}
      />
    </Empty>
  );
};
