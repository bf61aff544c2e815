export { type DoctorOptions, doctor } from './doctor/doctor.ts';
export { fileStore } from './fs-store.ts';
export { fsStore, plugin } from './plugin.ts';
export type { FsStoreOptions } from './store/store-settings.ts';
