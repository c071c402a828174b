// One real OpenSearch node on loopback, from the jars that start.sh has fetched. Run as a single source file:
//   java -cp 'lib/*' Node.java HOME PORT OWNER_PID
// PORT 0 lets the system choose; the log's publish_address line tells which. When the process OWNER_PID ends, however it
// ends, so does the node: a killed test session leaves nothing running. OWNER_PID 0 means nobody is watched.

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

public class Node {
    public static void main(String[] args) throws InterruptedException {
        String home = args[0];
        String port = args[1];
        long owner = Long.parseLong(args[2]);
        CountDownLatch end = new CountDownLatch(1);
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", port);
            settings.put("transport.port", "0");
            settings.put("discovery.type", "single-node");
            // An index must be made on purpose, with its mappings: a typing error must not make one.
            settings.put("action.auto_create_index", "false");
            // A developer's disk is often 90 % full; the watermark would make every index read-only.
            settings.put("cluster.routing.allocation.disk.threshold_enabled", "false");
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (IOException e) {
                System.err.println("The node did not close cleanly: " + e);
            }
        }));
        if (owner > 0) {
            ProcessHandle.of(owner).ifPresentOrElse(p -> p.onExit().thenRun(end::countDown), end::countDown);
        }
        runner.build(OpenSearchRunner.newConfigs().basePath(home).numOfNode(1).clusterName("ci-metrics").useLogger());
        runner.ensureYellow();
        end.await();
        System.exit(0);
    }
}
