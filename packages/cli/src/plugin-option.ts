import { usageError } from './failure.ts';
import { scalar } from './option-value.ts';

/** A plugin as the user named it, and the folder from which its path or package is resolved. */
export interface PluginName {
  readonly name: string;
  readonly from: string;
}

/** Options by plugin name. */
export type PluginOptions = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * Removes every `--<plugin>.<option> value` from the arguments. yargs must not see them: it does not know the options of
 * plugins and would guess their types.
 * @throws Failure the name of an option has hyphens, as the options of the command line do
 */
export const takePluginOptions = (
  argv: readonly string[],
): { readonly rest: readonly string[]; readonly options: PluginOptions } => {
  const rest: string[] = [];
  const options: Record<string, Record<string, unknown>> = {};
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  for (let at = 0; at < end; at++) {
    const argument = argv[at] ?? '';
    const match = /^--([a-zA-Z][\w-]*)\.([a-zA-Z][\w-]*)(?:=(.*))?$/s.exec(argument);
    const [, plugin, option, inline] = match ?? [];
    if (plugin === undefined || option === undefined) {
      rest.push(argument);
      continue;
    }
    if (option.includes('-')) {
      const spelt = option.replace(/-+(\w?)/g, (_, letter: string) => letter.toUpperCase());
      throw usageError(
        `plugin options are written in camelCase: --${plugin}.${spelt}, not --${plugin}.${option}`,
      );
    }
    const following = at + 1 < end ? argv[at + 1] : undefined;
    const isSwitch = inline === undefined && (following === undefined || following.startsWith('--'));
    if (inline === undefined && !isSwitch) at++;
    options[plugin] = {
      ...options[plugin],
      [option]: isSwitch ? true : scalar(inline ?? following ?? ''),
    };
  }
  return { rest: [...rest, ...argv.slice(end)], options };
};

/** Reads the options of loaded plugins from the environment: `WORKER_RUNTIME_FS_STORE_DIR` is `dir` of `fs-store`. */
export const pluginOptionsOf = (
  environment: Readonly<Record<string, string | undefined>>,
  plugins: readonly string[],
): PluginOptions => {
  const options: Record<string, Record<string, unknown>> = {};
  const prefixes = plugins
    .map((plugin) => ({ plugin, prefix: `WORKER_RUNTIME_${plugin.toUpperCase().replaceAll('-', '_')}_` }))
    // longest prefix first: HTTP_PROXY_PORT is `port` of the plugin "http-proxy", not `proxyPort` of "http"
    .sort((a, b) => b.prefix.length - a.prefix.length);
  for (const [name, text] of Object.entries(environment)) {
    const found = prefixes.find(({ prefix }) => name.startsWith(prefix));
    if (found === undefined || text === undefined) continue;
    const option = name
      .slice(found.prefix.length)
      .toLowerCase()
      .replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    options[found.plugin] = { ...options[found.plugin], [option]: scalar(text) };
  }
  return options;
};
