import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.RetryForever;

/**
 * Lines of Curator's InterProcessMutex for handover_curator.c.
 *
 * <pre>
 *   form PATH WAITERS   answered "formed" when all have their znode
 *   drain               answered "drained" and the nanoseconds from each grant to the next
 *   end                 answered "ended"; the last waiter has released
 * </pre>
 *
 * One mutex object a waiter: threads that share one also share its monitor, and all wake at each
 * event. One session for many objects, as latchkey's handles have; a thread each, since this lock
 * belongs to threads.
 */
public final class CuratorHandover {
    private static final int STACK_BYTES = 128 * 1024;

    private final CuratorFramework[] clients;
    private final CountDownLatch over = new CountDownLatch(1);
    private final CountDownLatch letGo = new CountDownLatch(1);
    private final AtomicInteger granted = new AtomicInteger();
    private final List<Thread> threads = new ArrayList<>();
    private final InterProcessMutex first;
    private final long[] moments;
    private volatile Thread last;
    private volatile Throwable failure;

    private CuratorHandover(CuratorFramework[] clients, String path, int waiters) throws Exception {
        this.clients = clients;
        moments = new long[waiters + 1];
        first = new InterProcessMutex(clients[clients.length - 1], path);
        first.acquire();
        for (int i = 0; i < waiters; i++) {
            InterProcessMutex mutex = new InterProcessMutex(clients[i % clients.length], path);
            Thread thread = new Thread(null, () -> takeTurn(mutex), "waiter", STACK_BYTES);
            threads.add(thread);
            thread.start();
        }
        while (clients[0].checkExists().forPath(path).getNumChildren() <= waiters)
            stopIfFailed();
    }

    private void takeTurn(InterProcessMutex mutex) {
        try {
            mutex.acquire();
            int which = granted.incrementAndGet();
            moments[which] = System.nanoTime();
            if (which == moments.length - 1) {
                last = Thread.currentThread();
                over.countDown();
                letGo.await();
            }
            mutex.release();
        } catch (Throwable error) {
            failure = error;
            over.countDown();
        }
    }

    private void stopIfFailed() {
        if (failure != null)
            throw new IllegalStateException(failure);
    }

    private String drain() throws Exception {
        moments[0] = System.nanoTime();
        first.release();
        over.await();
        stopIfFailed();
        for (Thread thread : threads)
            if (thread != last)
                thread.join();
        StringBuilder answer = new StringBuilder("drained");
        for (int i = 1; i < moments.length; i++)
            answer.append(' ').append(moments[i] - moments[i - 1]);
        return answer.toString();
    }

    private void end() throws Exception {
        letGo.countDown();
        last.join();
        stopIfFailed();
    }

    private static CuratorFramework open(String servers) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(servers, 30000, 30000,
                new RetryForever(100));
        client.start();
        client.blockUntilConnected();
        return client;
    }

    private static void tell(String line) {
        System.out.println(line);
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        CuratorFramework[] clients = new CuratorFramework[Integer.parseInt(args[1])];
        for (int i = 0; i < clients.length; i++)
            clients[i] = open(args[0]);
        tell("ready");
        CuratorHandover line = null;
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
        for (String order; (order = orders.readLine()) != null;) {
            String[] words = order.split(" ");
            if (words[0].equals("form")) {
                line = new CuratorHandover(clients, words[1], Integer.parseInt(words[2]));
                tell("formed");
            } else if (words[0].equals("drain")) {
                tell(line.drain());
            } else {
                line.end();
                tell("ended");
            }
        }
        for (CuratorFramework client : clients)
            client.close();
    }
}
