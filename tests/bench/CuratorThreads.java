import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.RetryForever;

/**
 * Threads of one process on one InterProcessMutex, for bench_mutex.c: how Curator hands over
 * between them.
 *
 * <pre>
 *   turns THREADS EACH   answered "took" and nanoseconds: from the start to the last release
 * </pre>
 *
 * It has no local hand-over: each thread is a znode of its own in the line.
 */
public final class CuratorThreads {
    private static volatile Throwable failure;

    private static void take(InterProcessMutex mutex, int times) {
        try {
            for (int i = 0; i < times; i++) {
                mutex.acquire();
                mutex.release();
            }
        } catch (Throwable error) {
            failure = error;
        }
    }

    private static long turns(InterProcessMutex mutex, int count, int each) throws Exception {
        Thread[] threads = new Thread[count];
        long began = System.nanoTime();
        for (int i = 0; i < count; i++) {
            threads[i] = new Thread(() -> take(mutex, each));
            threads[i].start();
        }
        for (Thread thread : threads)
            thread.join();
        if (failure != null)
            throw new IllegalStateException(failure);
        return System.nanoTime() - began;
    }

    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 30000, 30000, new RetryForever(100));
        client.start();
        client.blockUntilConnected();
        InterProcessMutex mutex = new InterProcessMutex(client, "/curator-threads");
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
        System.out.println("ready");
        for (String order; (order = orders.readLine()) != null;) {
            String[] words = order.split(" ");
            System.out.println("took " + turns(mutex, Integer.parseInt(words[1]), Integer.parseInt(words[2])));
        }
        client.close();
    }
}
