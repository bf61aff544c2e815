import { RuntimeError, type StoreFinding } from '@worker-runtime/core';
import { dataFolder } from '../compose.ts';
import { EXIT, Failure, misuse } from '../failure.ts';
import type { Output } from '../output.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { table } from '../table.ts';

export interface DoctorFlags {
  readonly name: string | undefined;
  readonly repair: boolean;
  readonly json: boolean;
  readonly pluginOptions: PluginOptions;
}

/** The store that is meant: named by `--fs-store.dir`, or where `serve` of this name would keep it. */
const directoryOf = ({ name, pluginOptions }: DoctorFlags): string => {
  const { 'fs-store': own = {}, ...others } = pluginOptions;
  const stray = Object.keys(others)[0] ?? Object.keys(own).find((option) => option !== 'dir');
  if (stray !== undefined) throw misuse(`doctor knows --fs-store.dir and no other plugin option: ${stray}`);
  return typeof own.dir === 'string' ? own.dir : dataFolder(name ?? 'default', process.env);
};

const rowOf = ({ severity, code, workerId, details, message }: StoreFinding): readonly string[] => {
  const { file, offset } = details ?? {};
  const place = file === undefined ? '' : offset === undefined ? file : `${file} at ${offset}`;
  return [severity, code, workerId ?? '', place, message];
};

/** The detail is of whoever reads the operator's log: it names paths and quotes what is broken. */
const withoutDetail = (key: string, value: unknown): unknown => (key === 'detail' ? undefined : value);

/**
 * Checks a store that no process has open, and with `--repair` puts right what can be.
 * @throws Failure the store is damaged, or cannot be examined
 */
export const examine = async (flags: DoctorFlags, output: Output): Promise<void> => {
  const dir = directoryOf(flags);
  const { doctor } = await import('@worker-runtime/plugin-fs-store');
  let findings: readonly StoreFinding[];
  try {
    findings = await doctor(dir, { repair: flags.repair });
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    throw new Failure(EXIT.failed, `${error.code}: ${error.message} (${dir})`, { cause: error });
  }
  if (flags.json) output.print(JSON.stringify({ dir, findings }, withoutDetail));
  else if (findings.length === 0) output.print(`nothing is wrong with ${dir}`);
  else output.print(table(['severity', 'code', 'worker', 'place', 'message'], findings.map(rowOf)));
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) throw new Failure(EXIT.failed, `${errors} of ${findings.length} findings are errors`);
};
