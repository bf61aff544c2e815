import { Link } from '@tanstack/react-router';
import { Empty } from '../parts/empty.tsx';

export const NotFound = () => (
  <Empty title="There is no such page" isPage>
    <p>
      The address may have been cut. <Link to="/workers">Go to all Workers</Link>
    </p>
  </Empty>
);
