import { type ErrorCode, RuntimeError } from '@worker-runtime/core';
import type { StoreFinding } from '@worker-runtime/core/plugin-kit';
import { EXIT, Failure, usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { table } from '../table.ts';
import { planOf, WITHOUT_SERVER } from './serve.ts';

export interface DoctorFlags {
  readonly name: string | undefined;
  readonly repair: boolean;
  readonly json: boolean;
  readonly pluginOptions: PluginOptions;
}

/** Returns the directory of `serve` with the same settings. */
const directoryOf = async ({ name, pluginOptions }: DoctorFlags): Promise<string> => {
  const { 'fs-store': own = {}, ...others } = pluginOptions;
  const stray = Object.keys(others)[0] ?? Object.keys(own).find((option) => option !== 'dir');
  if (stray !== undefined)
    throw usageError(`doctor accepts only the plugin option --fs-store.dir, not "${stray}"`);
  const flags = { ...WITHOUT_SERVER, name, plugin: ['fs-store'], config: undefined, pluginOptions };
  return String((await planOf(flags)).options['fs-store']?.dir);
};

const rowOf = ({ severity, code, workerId, details, message }: StoreFinding): readonly string[] => {
  const { file, offset } = details ?? {};
  const place = file === undefined ? '' : offset === undefined ? file : `${file} at ${offset}`;
  return [severity, code, workerId ?? '', place, message];
};

/** The steps that an operator can take if a store cannot be checked. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  STORE_LOCKED: '; stop it first',
  STORE_UNAVAILABLE: '; for another one, use --name or --fs-store.dir',
};

/** Omits the field `detail`, which is for the operator's log only: it names paths and quotes damaged data. */
const withoutDetail = (key: string, value: unknown): unknown => (key === 'detail' ? undefined : value);

/**
 * Checks a store that no process has open. With `--repair` it also repairs what it can.
 * @throws Failure the store is damaged, or cannot be checked
 */
export const examine = async (flags: DoctorFlags, output: Output): Promise<void> => {
  const dir = await directoryOf(flags);
  const { doctor } = await import('@worker-runtime/plugin-fs-store');
  let findings: readonly StoreFinding[];
  try {
    findings = await doctor(dir, { repair: flags.repair });
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const advice = ADVICE[error.code] ?? '';
    throw new Failure(EXIT.failed, `${error.code}: ${error.message} (${dir})${advice}`, { cause: error });
  }
  if (flags.json) output.print(JSON.stringify({ dir, findings }, withoutDetail));
  else if (findings.length === 0) output.print(`no problems found in ${dir}`);
  else
    output.print(
      table(['severity', 'code', 'worker', 'place', 'message'], findings.map(rowOf), {
        columns: output.columns,
        isText: true,
      }),
    );
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) throw new Failure(EXIT.failed, `${errors} of ${findings.length} findings are errors`);
};
