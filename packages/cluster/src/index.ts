export { Host, type HostOptions, type Location } from './host.ts';
export { MemoryMembership } from './memory-membership.ts';
export type { Seat, SeatState } from './seat.ts';
export type { Claimed, Service } from './service.ts';
export { HostDirectory } from './host-directory.ts';
export { RuntimeService } from './runtime-service.ts';
