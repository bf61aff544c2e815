import { Host } from '../src/index.ts';
import { HostileNetwork } from './hostile-network.ts';
import { ProcessClock } from './sim-clock.ts';
import { SimService } from './sim-service.ts';
import type { SimWorld } from './sim-world.ts';

/** A process of the simulation. */
export class SimHost {
  readonly name: string;
  readonly world: SimWorld;
  readonly clock: ProcessClock;
  readonly network: HostileNetwork;
  readonly host: Host;
  isGone = false;

  constructor(world: SimWorld, name: string, isCalm: boolean) {
    this.name = name;
    this.world = world;
    this.clock = new ProcessClock(world.clock);
    this.network = new HostileNetwork(world.clock, this.clock, world.random, world.leaseMs);
    this.network.isCalm = isCalm;
    this.host = new Host({
      membership: this.network.through(world.membership),
      id: `${world.random.between(100, 999)}-${name}`,
      name,
      address: `http://${name}.example`,
      leaseMs: world.leaseMs,
      handOverMs: world.leaseMs / 10,
      clock: this.clock,
      serve: (claimed) => {
        const service = new SimService(claimed, this);
        world.services.add(service);
        return service;
      },
    });
  }

  kill(): void {
    this.isGone = true;
    this.clock.kill();
  }
}
