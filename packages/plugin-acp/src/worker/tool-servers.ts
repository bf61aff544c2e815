import type { AgentCapabilities, McpServer } from '@agentclientprotocol/sdk';
import { RuntimeError } from '@worker-runtime/core';
import { type ChildEnvironment, childEnvironment, readOwnedFile } from '@worker-runtime/core/plugin-kit';
import type { Environment, ResolvedMcpServer } from '../options.ts';

/** Returns the variables of an agent, and the values that have to be redacted. @throws Error a file cannot be read */
export const environmentOf = async ({
  env,
  envFiles,
}: {
  readonly env: Environment;
  readonly envFiles: Readonly<Record<string, string>>;
}): Promise<Pick<ChildEnvironment, 'variables' | 'secrets'>> => {
  const { variables, secrets } = await childEnvironment({ env: env.names, envFiles });
  return { variables: { ...variables, ...env.values }, secrets };
};

/** The tool servers of an agent, as the protocol describes them, and the values in them that have to be redacted. */
export interface ToolServers {
  readonly servers: readonly McpServer[];
  readonly secrets: readonly string[];
}

/** Returns the key of a tool server, or null if none is configured. @throws ENGINE_UNAVAILABLE · Error, as below */
const keyOf = async (
  name: string,
  { apiKeyEnv, apiKeyFile }: Extract<ResolvedMcpServer, { readonly url: string }>,
): Promise<string | null> => {
  if (apiKeyEnv === null && apiKeyFile === null) return null;
  const key =
    apiKeyFile === null
      ? process.env[apiKeyEnv ?? '']
      : await readOwnedFile(apiKeyFile, 'access', (message) => new Error(`${apiKeyFile} ${message}`));
  if (!key?.trim())
    throw new RuntimeError('ENGINE_UNAVAILABLE', `The key of the tool server "${name}" is missing`);
  return key.trim();
};

/** Reads the variables and keys of tool servers. @throws ENGINE_UNAVAILABLE a key is missing · Error a file cannot be read */
export const readToolServers = async (
  configured: Readonly<Record<string, ResolvedMcpServer>>,
): Promise<ToolServers> => {
  const secrets: string[] = [];
  const servers: McpServer[] = [];
  for (const [name, server] of Object.entries(configured)) {
    if ('url' in server) {
      const key = await keyOf(name, server);
      if (key !== null) secrets.push(key);
      const headers = key === null ? [] : [{ name: 'Authorization', value: `Bearer ${key}` }];
      servers.push({ type: server.type, name, url: server.url, headers });
    } else {
      const { command, args, env, envFiles } = server;
      const read = await environmentOf(server);
      secrets.push(...read.secrets);
      const named = [...env.names, ...Object.keys(env.values), ...Object.keys(envFiles)];
      const variables = [...new Set(named)].flatMap((variable) => {
        const value = read.variables[variable];
        return value === undefined ? [] : [{ name: variable, value }];
      });
      servers.push({ name, command, args: [...args], env: variables });
    }
  }
  return { servers, secrets };
};

/** @throws ENGINE_UNAVAILABLE the agent has no transport for one of its tool servers */
export const assertTransports = (
  servers: readonly McpServer[],
  { mcpCapabilities }: AgentCapabilities,
): void => {
  const refused = servers.find((server) => 'type' in server && mcpCapabilities?.[server.type] !== true);
  if (refused && 'type' in refused)
    throw new RuntimeError(
      'ENGINE_UNAVAILABLE',
      `The agent cannot use the tool server "${refused.name}", because it does not support the transport ${refused.type}`,
    );
};
