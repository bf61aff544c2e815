export { Host, type HostOptions, type Location } from './host.ts';
export { HostDirectory } from './host-directory.ts';
export { MemoryMembership } from './memory-membership.ts';
export { RuntimeService } from './runtime-service.ts';
export type { Seat, SeatState } from './seat.ts';
export type { Claimed, Service } from './service.ts';
