import type { WorkerDetail } from '@worker-runtime/core';

interface Skill {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly examples?: readonly string[];
}

/** The parts of an agent card that a program may choose. */
export interface AgentDescription {
  readonly name?: string;
  readonly description?: string;
  /** The version of the agent. Default: a digest of the config of its Worker. */
  readonly version?: string;
  readonly skills?: readonly Skill[];
  readonly provider?: { readonly organization: string; readonly url: string };
  readonly documentationUrl?: string;
  readonly iconUrl?: string;
  /** The schemes by which callers identify themselves, as A2A describes them. */
  readonly securitySchemes?: Readonly<Record<string, unknown>>;
  readonly securityRequirements?: readonly unknown[];
}

const BEARER: AgentDescription = {
  securitySchemes: { bearer: { httpAuthSecurityScheme: { scheme: 'Bearer' } } },
  securityRequirements: [{ schemes: { bearer: { list: [] } } }],
};

const CONVERSATION: Skill = {
  id: 'conversation',
  name: 'Conversation',
  description: 'Works on the message, and knows the conversation before it.',
  tags: ['conversation'],
};

/** Returns the card of a Worker. `isIdentified`: the server knows the caller by a token. */
export const agentCardOf = (
  agent: string,
  url: string,
  { displayName, engine, configDigest, capabilities }: WorkerDetail,
  description: AgentDescription,
  isIdentified: boolean,
): Readonly<Record<string, unknown>> => ({
  name: displayName ?? agent,
  description: `A Worker of the engine ${engine}. It has one conversation, which all of its callers share.`,
  version: configDigest,
  skills: [CONVERSATION],
  ...(isIdentified && BEARER),
  ...description,
  supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false },
  defaultInputModes: ['text/plain', 'application/json', ...capabilities.files.accepted],
  defaultOutputModes: ['text/plain', 'application/json'],
});
