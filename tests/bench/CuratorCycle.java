import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.RetryForever;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;

/**
 * Curator's uncontended cycle, and what Java's own client takes for a synchronous create and delete
 * of the same kind of znode, for bench_lock.c.
 *
 * <pre>
 *   raw CYCLES     answered "took" and nanoseconds
 *   mutex CYCLES   answered "took" and nanoseconds
 * </pre>
 *
 * Both on Curator's one session: so it is one connection that is compared with itself.
 */
public final class CuratorCycle {
    /** As many bytes as Curator writes: the machine's address. */
    private static final int DATA_BYTES = 9;

    private static void raw(ZooKeeper keeper, int cycles) throws Exception {
        byte[] data = new byte[DATA_BYTES];
        for (int i = 0; i < cycles; i++) {
            String made = keeper.create("/java/lock-", data, ZooDefs.Ids.OPEN_ACL_UNSAFE,
                    CreateMode.EPHEMERAL_SEQUENTIAL);
            keeper.delete(made, -1);
        }
    }

    private static void mutex(InterProcessMutex mutex, int cycles) throws Exception {
        for (int i = 0; i < cycles; i++) {
            mutex.acquire();
            mutex.release();
        }
    }

    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 30000, 30000, new RetryForever(100));
        client.start();
        client.blockUntilConnected();
        client.create().orSetData().forPath("/java", new byte[0]);
        ZooKeeper keeper = client.getZookeeperClient().getZooKeeper();
        InterProcessMutex mutex = new InterProcessMutex(client, "/curator");
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
        System.out.println("ready");
        for (String order; (order = orders.readLine()) != null;) {
            String[] words = order.split(" ");
            int cycles = Integer.parseInt(words[1]);
            long began = System.nanoTime();
            if (words[0].equals("raw"))
                raw(keeper, cycles);
            else
                mutex(mutex, cycles);
            System.out.println("took " + (System.nanoTime() - began));
        }
        client.close();
    }
}
